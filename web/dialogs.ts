import { html, render } from 'lit-html';
import { ApiError, post } from './api.js';

const dialog = document.querySelector<HTMLDialogElement>('#dialog')!;

/** Asks whether a WAN is to be set, sets it, and shows what the daemon said. @param what what will happen */
export function confirmSet(change: object, what: string): void {
  const set = async () => {
    show('One moment', 'The rules follow.', []);
    try {
      const { said } = await post<{ said: string }>('/api/set', change);
      show('Done', said, [['Close', close]]);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      show('It is not set', error.message, [['Close', close]]);
    }
  };
  show('Are you sure?', what, [
    ['No', close],
    ['Yes', set],
  ]);
  dialog.showModal();
}

function close(): void {
  dialog.close();
}

function show(title: string, text: string, buttons: readonly (readonly [string, () => void])[]): void {
  render(
    html`<h2 id="dialog-title">${title}</h2>
      <p aria-live="polite">${text}</p>
      <div class="actions">
        ${buttons.map(([label, act]) => html`<button @click=${act}>${label}</button>`)}
      </div>`,
    dialog,
  );
}
