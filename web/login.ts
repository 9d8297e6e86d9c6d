import { html, render } from 'lit-html';
import { ApiError, post } from './api.js';

/** Asks for the token until it is right. */
export function login(place: HTMLElement): Promise<void> {
  return new Promise((resolve) => {
    let wrong = '';
    const send = async (event: SubmitEvent) => {
      event.preventDefault();
      const form = event.target as HTMLFormElement;
      try {
        await post('/api/login', { token: String(new FormData(form).get('token')).trim() });
        render('', place);
        resolve();
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        wrong = error.message;
        show();
      }
    };
    const show = () =>
      render(
        html`<section>
          <form class="row" @submit=${send}>
            <label>
              Token
              <input type="password" name="token" autocomplete="current-password" required autofocus />
            </label>
            <button>Look</button>
          </form>
          <p class="wrong" role="alert">${wrong}</p>
        </section>`,
        place,
      );
    show();
  });
}
