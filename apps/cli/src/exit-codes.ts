import { isGateskipError } from '@gateskip/errors';

/** What the process ends with. */
export const exitCodes = {
  ok: 0,
  /** A fault of gateskip, or of something that it did not expect. */
  unexpected: 1,
  /** What was given cannot be used: arguments, model files, gate files, prompts. */
  input: 2,
  /** What is around does not allow it: no backend, no download, no memory, no disk. */
  environment: 3,
  /** Ctrl-C. */
  aborted: 130,
} as const;

const environmentCodes: ReadonlySet<string> = new Set([
  'GS_BACKEND_UNAVAILABLE',
  'GS_CACHE_DAMAGED',
  'GS_DISK_FULL',
  'GS_DOWNLOAD',
  'GS_DOWNLOAD_MISMATCH',
  'GS_EVAL_EXECUTE',
  'GS_INSUFFICIENT_MEMORY',
  'GS_PEER_FAILED',
  'GS_PEER_MISSING',
  'GS_PEER_MODEL_MISSING',
]);

/** Errors of our own making that no input should reach. */
const unexpectedCodes: ReadonlySet<string> = new Set(['GS_BENCH_STARTUP', 'GS_BUSY', 'GS_CLOSED', 'GS_SEQUENCE_ORDER', 'GS_STEP_FAILED']);

/** The exit code of an error that ended a command. */
export function exitCodeOf(error: unknown): number {
  if (!isGateskipError(error)) return exitCodes.unexpected;
  if (error.code === 'GS_ABORTED') return exitCodes.aborted;
  if (environmentCodes.has(error.code)) return exitCodes.environment;
  return unexpectedCodes.has(error.code) ? exitCodes.unexpected : exitCodes.input;
}

/** For the end of the main help. */
export const exitCodeHelp = `Exit codes:
  0    done
  1    unexpected failure (GATESKIP_DEBUG=1 shows where)
  2    bad input: arguments, prompt, model file, gate file
  3    environment: no backend, download failed, no memory, no disk
  130  aborted by Ctrl-C`;
