import type { VNode } from 'preact';
import { useId } from 'preact/hooks';
import type { DeviceChoice } from '../state/local-media.ts';
import { texts } from '../texts.ts';
import { Icon, type IconName } from './icon.tsx';

/** A choice among devices of one kind. */
export interface DeviceSelectProps {
  readonly icon: IconName;
  readonly label: string;
  readonly choices: readonly DeviceChoice[];
  readonly chosen: string | undefined;
  readonly choose: (id: string | undefined) => void;
}

/** A labelled list of devices. */
export function DeviceSelect({ icon, label, choices, chosen, choose }: DeviceSelectProps): VNode {
  const id = useId();
  const known = choices.some((choice) => choice.id === chosen);
  return (
    <div class="device">
      <label for={id}>
        <Icon name={icon} />
        <span>{label}</span>
      </label>
      <select
        id={id}
        disabled={choices.length === 0}
        value={known ? chosen : ''}
        onChange={(event) => choose(event.currentTarget.value || undefined)}
      >
        <option value="">{choices.length === 0 ? texts.devices.none : texts.devices.system}</option>
        {choices.map((choice, index) =>
          choice.id === 'default' ? null : (
            <option key={choice.id} value={choice.id}>
              {choice.label || texts.devices.unnamed(index + 1)}
            </option>
          ),
        )}
      </select>
    </div>
  );
}
