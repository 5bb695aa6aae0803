import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { App } from '../state/app.ts';

/** The page's state, for all views below it. */
export const AppContext = createContext<App | undefined>(undefined);

/** The page's state. Throws where no page is above. */
export function useApp(): App {
  const app = useContext(AppContext);
  if (!app) throw new Error('no page above this view');
  return app;
}
