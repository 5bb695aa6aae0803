/** How bad a finding is. `well`: checked and right; `notice`: worth knowing; `warning`: works, but not for all or not for long; `problem`: does not work. */
export type Severity = 'well' | 'notice' | 'warning' | 'problem';

/** One thing that was checked. */
export interface Finding {
  /** Stable name of the check, such as `certificate-expired`. */
  readonly id: string;
  readonly severity: Severity;
  /** What was found, one plain sentence. */
  readonly text: string;
  /** What to do about it; for warnings and problems always there. */
  readonly remedy?: string;
}

/** Exit code of `conclave doctor`: 0 all is well, 3 warnings alone, 1 at least one problem. */
export function exitCodeOf(findings: readonly Finding[]): number {
  if (findings.some(({ severity }) => severity === 'problem')) return 1;
  return findings.some(({ severity }) => severity === 'warning') ? 3 : 0;
}
