import { render } from 'preact';

render(<main>Conclave</main>, document.querySelector('#app')!);
