import { useSignalEffect } from '@preact/signals';
import type { VNode } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { App } from '../state/app.ts';
import { AppContext } from './app-context.ts';
import { CallScreen } from './call-screen.tsx';
import { DiagnosisScreen } from './diagnosis-screen.tsx';
import { LeftScreen } from './left-screen.tsx';
import { LobbyScreen } from './lobby-screen.tsx';
import { NoticeList } from './notice-list.tsx';
import { ProblemScreen } from './problem-screen.tsx';
import { ReturningScreen } from './returning-screen.tsx';
import { StartScreen } from './start-screen.tsx';

/** The whole page. */
export function Page({ app }: { readonly app: App }): VNode {
  const name = app.screen.value.name;
  const first = useRef(true);
  useEffect(() => {
    // A reader of the page continues at the heading of what is new.
    if (!first.current) document.querySelector<HTMLElement>('h1')?.focus();
    first.current = false;
  }, [name]);
  useSignalEffect(() => {
    const theme = app.preferences.theme.value;
    if (theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  });
  return (
    <AppContext.Provider value={app}>
      <CurrentScreen app={app} />
      <NoticeList notices={app.notices} />
    </AppContext.Provider>
  );
}

function CurrentScreen({ app }: { readonly app: App }): VNode {
  const screen = app.screen.value;
  switch (screen.name) {
    case 'start':
      return <StartScreen />;
    case 'lobby':
      return <LobbyScreen />;
    case 'returning':
      return <ReturningScreen />;
    case 'call':
      return <CallScreen call={screen.call} />;
    case 'left':
      return <LeftScreen />;
    case 'problem':
      return <ProblemScreen problem={screen.problem} />;
    case 'diagnosis':
      return <DiagnosisScreen />;
  }
}
