/** What generated programs are kept from. Files are not among it: they can read and write what their user can. */
export interface ProgramIsolation {
  readonly python: string;
  /** `none`: a network namespace of its own without any interface that is up. */
  readonly network: 'none' | 'open';
  /** `own`: a process namespace that ends with the program, and with it whatever the program started. */
  readonly processes: 'own' | 'shared';
  /** `nobody`: a user without files, where gateskip itself runs as root. */
  readonly user: 'nobody' | 'same';
  readonly timeoutMs: number;
  /** Of address space; null where the system does not limit it. */
  readonly memoryBytes: number | null;
}

/** In words, after "programs ran": what they were kept from, and what not. */
export function describeIsolation({ python, network, processes, user, timeoutMs, memoryBytes }: ProgramIsolation): string {
  const parts = [
    `on Python ${python}`,
    user === 'nobody' ? 'as nobody' : 'AS THE SAME USER, with its files',
    network === 'none' ? 'without network' : 'WITH NETWORK',
    processes === 'own' ? 'in a process namespace of their own' : 'beside other processes',
    `at most ${timeoutMs / 1000} s`,
    memoryBytes === null ? 'WITHOUT A LIMIT OF MEMORY' : `${Math.round(memoryBytes / 1024 ** 2)} MiB`,
  ];
  return parts.join(', ');
}

/** A way to start a program. */
export interface Confinement extends Pick<ProgramIsolation, 'network' | 'processes' | 'user'> {
  /** What stands before the program's own words. */
  readonly prefix: readonly string[];
}

/** User and group of nobody, as on every Linux. */
export const NOBODY = 65_534;

/**
 * Ways to start a program, the strictest first; the last is always possible. Which of them works is seen by trying.
 *
 * @param find the path of a system program; undefined where there is none
 */
export function confinements(isRoot: boolean, find: (name: string) => string | undefined): readonly Confinement[] {
  const unshare = find('unshare');
  const setpriv = find('setpriv');
  const apart = ['--net', '--pid', '--ipc', '--fork', '--kill-child'];
  const dropped = setpriv && [
    setpriv,
    `--reuid=${NOBODY}`,
    `--regid=${NOBODY}`,
    '--clear-groups',
    '--no-new-privs',
    '--pdeathsig=KILL',
    '--',
  ];
  const ways: Confinement[] = [];
  const add = (user: ProgramIsolation['user'], isApart: boolean, prefix: readonly (string | undefined)[]): void => {
    if (prefix.includes(undefined)) return;
    const kept = isApart ? ({ network: 'none', processes: 'own' } as const) : ({ network: 'open', processes: 'shared' } as const);
    ways.push({ ...kept, user, prefix: prefix as readonly string[] });
  };
  if (isRoot) {
    add('nobody', true, [unshare, ...apart, '--', ...(dropped || [undefined])]);
    add('same', true, [unshare, ...apart, '--']);
    add('nobody', false, dropped || [undefined]);
  } else add('same', true, [unshare, '--user', '--map-root-user', ...apart, '--']);
  add('same', false, []);
  return ways;
}
