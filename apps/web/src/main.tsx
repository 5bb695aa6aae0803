import { joinMeeting } from '@conclave/client';
import { render } from 'preact';
import { App } from './state/app.ts';
import { Page } from './views/page.tsx';

const server = document.querySelector<HTMLMetaElement>('meta[name="conclave-server"]')?.content;
const app = new App({ join: joinMeeting, window, server: server || undefined });
app.start();
render(<Page app={app} />, document.querySelector('#app')!);
