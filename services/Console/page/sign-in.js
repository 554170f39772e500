// Asks for a token when the console needs one.
import { byId, get, post, say } from './page.js';

const dialog = byId('sign-in');

byId('sign-in-form').addEventListener('submit', async event => {
  event.preventDefault();
  try {
    await post('session', {}, { Authorization: `Bearer ${byId('token').value.trim()}` });
    location.reload();
  } catch (problem) {
    say(byId('sign-in-problem'), problem);
  }
});

document.addEventListener('unauthenticated', () => { if (!dialog.open) dialog.showModal(); });
get('settings').catch(() => {});
