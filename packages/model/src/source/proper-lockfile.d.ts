declare module 'proper-lockfile' {
  export function lock(
    file: string,
    options: { lockfilePath: string; realpath: boolean; stale: number; update: number; onCompromised: (error: Error) => void },
  ): Promise<() => Promise<void>>;
}
