// Dead letters of all four services: dry run, redrive, discard.
import { byId, clock, draw, el, fill, get, post, say } from './page.js';

export class Letters {
  constructor() {
    byId('letters-again').addEventListener('click', () => this.load());
  }

  async load() {
    const place = byId('letters');
    try {
      const services = await get('dead-letters');
      const count = services.reduce((sum, service) => sum + (service.deadLetters?.length ?? 0) + (service.more ?? 0), 0);
      this.#count(count);
      if (byId('letters-view').hidden) return;
      const letters = services.flatMap(service => service.deadLetters ?? []).sort((one, other) => one.deadLetteredTime < other.deadLetteredTime ? 1 : -1);
      draw(this, () => place.replaceChildren(
        ...services.filter(service => service.problem).map(service => el('p', { class: 'problem' }, `${service.appId} did not answer: ${service.problem}`)),
        letters.length > 0
          ? el('ul', { class: 'letters', 'aria-label': 'Dead letters, newest first' }, ...letters.map(letter => this.#cardOf(letter)))
          : el('p', { class: 'placeholder' }, 'There are no dead letters.'),
        ...services.filter(service => service.more > 0).map(service => el('p', { class: 'hint' }, `${service.appId} has ${service.more} more.`))));
    } catch (problem) {
      if (!(problem instanceof TypeError)) place.replaceChildren(el('p', { class: 'problem' }, problem.message));
    }
  }

  #count(letters) {
    byId('letters-count').hidden = letters <= 0;
    byId('letters-count').textContent = letters;
  }

  #cardOf(letter) {
    const outcome = el('div', { class: 'outcome', role: 'status' }), problem = el('p', { class: 'problem', role: 'alert', hidden: true });
    const path = `dead-letters/${letter.appId}/${letter.deadLetterId}`;
    const buttons = [];
    const button = (words, then, attributes = {}) => {
      const made = el('button', {
        type: 'button', ...attributes, 'aria-label': `${words} ${letter.topic || 'dead letter'} ${letter.deadLetterId}`,
        onclick: async () => {
          buttons.forEach(one => { one.disabled = true; });
          say(problem, null);
          try {
            await then();
          } catch (fault) {
            say(problem, fault);
          }
          buttons.forEach(one => { one.disabled = false; });
        },
      }, words);
      buttons.push(made);
      return made;
    };
    const over = words => {
      outcome.replaceChildren(el('p', { class: 'good' }, words));
      buttons.forEach(one => one.remove());
      card.classList.add('over');
      // The button that had the focus is gone.
      card.focus();
      this.#count(Number(byId('letters-count').textContent) - 1);
    };
    const tell = (answer, tense) => fill(outcome,
      answer.failure ? el('p', { class: 'problem' }, `It ${tense} again: ${answer.failure}`) : null,
      answer.effects.length > 0 ? el('ul', { class: 'effects' }, ...answer.effects.map(effect => el('li', {}, effect))) : null,
      !answer.failure && answer.effects.length === 0 ? el('p', {}, 'It would change nothing.') : null);

    const card = el('li', { class: 'letter', 'data-id': letter.deadLetterId, tabindex: -1 },
      el('div', { class: 'letter-head' },
        el('span', { class: `lane-tag shown lane-${letter.appId}` }, letter.appId),
        el('strong', {}, letter.topic || 'not a CloudEvent'),
        el('span', { class: 'hint' }, `dead since ${clock(letter.deadLetteredTime)}`)),
      letter.orderId ? el('p', {}, 'Order ', el('a', { href: `#/orders/${letter.orderId}` }, letter.orderId)) : null,
      letter.problem ? el('p', { class: 'problem' }, letter.problem) : null,
      el('div', { class: 'buttons' },
        !letter.canBeRedriven ? null : button('Dry run', async () => tell(await post(`${path}/dry-run`), 'would fail')),
        !letter.canBeRedriven ? null : button('Redrive', async () => {
          const answer = await post(`${path}/redrive`);
          if (answer.failure) tell(answer, 'failed');
          else over(`Redriven: ${letter.appId} has handled it.`);
        }, { class: 'primary' }),
        button('Discard', async () => { await post(`${path}/discard`); over('Discarded.'); })),
      outcome, problem);
    return card;
  }
}
