import type { VNode } from 'preact';
import type { Theme } from '../state/preferences.ts';
import { texts } from '../texts.ts';
import { useApp } from './app-context.ts';
import { Icon } from './icon.tsx';

const themes: readonly Theme[] = ['system', 'light', 'dark'];

/** Chooses the colours of the page. */
export function ThemeSwitch(): VNode {
  const { preferences } = useApp();
  return (
    <fieldset class="theme-switch">
      <legend class="hidden">{texts.theme.label}</legend>
      {themes.map((theme) => (
        <label key={theme} title={texts.theme[theme]}>
          <input
            type="radio"
            name="theme"
            value={theme}
            checked={preferences.theme.value === theme}
            onChange={() => preferences.setTheme(theme)}
          />
          <Icon name={theme} />
          <span class="hidden">{texts.theme[theme]}</span>
        </label>
      ))}
    </fieldset>
  );
}
