// Places demo orders: as the form says, or such that one of the three participants refuses.
import { byId, post, say } from './page.js';

const SCENARIOS = {
  'out-of-stock': { quantity: 11, balance: 1_000_000, coupon: 'VALID', skipPrecheck: true },
  'balance-too-low': { quantity: 2, balance: 5_000, coupon: 'VALID', skipPrecheck: true },
  'coupon-refused': { quantity: 2, balance: 100_000, coupon: 'EXPIRED', skipPrecheck: true },
};

/** @param placed is called with the order. */
export function demo(placed) {
  const form = byId('demo'), buttons = [...form.querySelectorAll('button')];

  async function place(request) {
    buttons.forEach(button => { button.disabled = true; });
    say(byId('demo-problem'), null);
    try {
      placed((await post('orders', request)).order);
    } catch (problem) {
      say(byId('demo-problem'), problem instanceof TypeError ? new Error('The console does not answer; nothing was placed as far as this page knows.') : problem);
    }
    buttons.forEach(button => { button.disabled = false; });
  }

  form.addEventListener('submit', event => {
    event.preventDefault();
    place({
      quantity: Number(byId('quantity').value), balance: Number(byId('balance').value),
      coupon: byId('coupon').value, skipPrecheck: !byId('precheck').checked,
    });
  });
  for (const button of buttons.filter(one => one.dataset.scenario)) button.addEventListener('click', () => place(SCENARIOS[button.dataset.scenario]));
}
