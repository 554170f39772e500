// A stream of server-sent events that comes back by itself, whatever became of the other side.

const TRY_AGAIN_MS = 1000;

/**
 * @param listeners by event name; each gets what the event says.
 * @param onLost called when the stream is lost.
 * @param silence milliseconds without any event after which it counts as lost.
 * @returns a function that closes it for good.
 */
export function follow(path, listeners, onLost = () => {}, silence = Infinity) {
  let source = null, again = null, watchdog = null, closed = false;

  function open() {
    source = new EventSource(`/api/console/${path}`);
    source.onopen = received;
    source.onerror = lost;
    for (const [name, listener] of Object.entries(listeners)) {
      source.addEventListener(name, event => { received(); listener(JSON.parse(event.data)); });
    }
    received();
  }

  function received() {
    clearTimeout(watchdog);
    if (silence < Infinity) watchdog = setTimeout(lost, silence);
  }

  function lost() {
    if (closed) return;
    stop();
    onLost();
    again = setTimeout(open, TRY_AGAIN_MS);
  }

  function stop() {
    clearTimeout(watchdog);
    clearTimeout(again);
    source?.close();
  }

  open();
  return () => { closed = true; stop(); };
}
