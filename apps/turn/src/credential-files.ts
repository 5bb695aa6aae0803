import { fromUtf8, Secret } from '@conclave/bytes';
import { SecretFiles } from '@conclave/service';
import { TurnUsers } from '@conclave/turn';
import type { TurnConfig } from './turn-config.ts';
import { turnHashes } from './turn-hashes.ts';
import { readUserFile } from './user-file.ts';

/** Who may relay, by the secret and user files of a configuration. */
export class CredentialFiles {
  /** The users, kept up to date by {@link CredentialFiles.reload}. */
  readonly users: TurnUsers;
  /** All files, to be watched. */
  readonly paths: readonly string[];
  readonly #secrets: SecretFiles;
  readonly #userFile: string | undefined;

  /** Reads all files. Throws the `ConclaveError` of the first that cannot be used. */
  constructor(config: Pick<TurnConfig, 'realm' | 'secretFiles' | 'userFile'>) {
    this.users = new TurnUsers(config.realm, turnHashes);
    this.paths = [...config.secretFiles, ...(config.userFile === undefined ? [] : [config.userFile])];
    this.#secrets = new SecretFiles(config.secretFiles);
    this.#userFile = config.userFile;
    this.#apply();
  }

  /**
   * Reads all files again; when one cannot be used this throws and everybody stays as they were. Allocations that
   * are there can be kept by the credential they were made with.
   */
  reload(): void {
    this.#secrets.reload();
    this.#apply();
  }

  #apply(): void {
    const users = this.#userFile === undefined ? [] : readUserFile(this.#userFile);
    this.users.setSharedSecrets(this.#secrets.secrets.map((s) => new Secret(fromUtf8(s.reveal()))));
    this.users.setStaticUsers(users);
  }
}
