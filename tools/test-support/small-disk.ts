import { spawnSync } from 'node:child_process';

export interface SmallDisk {
  /** Runs a program that sees a file system of so many bytes in the place of `folder`. It is gone when the program ends. */
  readonly prefix: (folder: string, sizeBytes: number, more?: string) => readonly string[];
}

const mountAndRun = 'mount -t tmpfs -o "size=$1,$2" tmpfs "$0" && shift 2 && exec "$@"';

/**
 * A file system that is really small and really full: a tmpfs in a mount namespace of the program that uses it. Needs
 * Linux and either root or user namespaces that everybody may make.
 * @returns a text saying why there is none, where there is none
 */
export function smallDisk(folder: string): SmallDisk | string {
  if (process.platform !== 'linux') return `a small file system is made with Linux namespaces, and this is ${process.platform}`;
  const reasons: string[] = [];
  for (const kind of [
    ['unshare', '--user', '--map-root-user', '--mount'],
    ['unshare', '--mount'],
  ]) {
    const prefix = (at: string, sizeBytes: number, more = 'mode=0700'): string[] => [
      ...kind,
      'sh',
      '-c',
      mountAndRun,
      at,
      String(sizeBytes),
      more,
    ];
    const words = [...prefix(folder, 65536), 'true'];
    const { status, stderr, error } = spawnSync(words[0] as string, words.slice(1), { encoding: 'utf8' });
    if (status === 0) return { prefix };
    reasons.push(`${kind.join(' ')}: ${error?.message ?? stderr.trim()}`);
  }
  return `no small file system can be made here (${reasons.join('; ')})`;
}
