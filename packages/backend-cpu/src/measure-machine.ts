import { availableParallelism } from 'node:os';
import { AbortedError, BackendUnavailableError, InvalidArgumentError } from '@gateskip/errors';
import { findAddon } from './addon.js';
import { typedError } from './native-error.js';
import { INSTRUCTION_SET_VARIABLE, instructionSet } from './options.js';

export interface MeasureMachineOptions {
  /** Threads that measure at once, 1..1024; default: all. */
  readonly threads?: number;
  /** For each of the two rates, above 0 and at most 60; default 0.25. */
  readonly seconds?: number;
  /** Instruction set by name; default: what GATESKIP_CPU_ISA names, else the best. */
  readonly isa?: string;
  readonly signal?: AbortSignal;
}

/** What the machine can do at best, with all its threads together. */
export interface MachineMeasurement {
  readonly instructionSet: string;
  readonly threads: number;
  /** Memory read in order, from a buffer of 16 MiB a thread and 256 MiB at least. */
  readonly readBytesPerSecond: number;
  /** Multiply-accumulates of int8 in registers; absent where the instruction set has no dot product of int8. */
  readonly int8MacsPerSecond?: number;
}

const MEBIBYTE = 1048576;

/**
 * Measures memory read bandwidth and int8 dot-product peak, on threads of its own: the event loop stays free. Speeds of a model
 * are compared with these limits, measured in the same run, because a shared machine does not have the same ones all day.
 *
 * @throws InvalidArgumentError, BackendUnavailableError, InsufficientMemoryError, AbortedError
 */
export async function measureMachine(options: MeasureMachineOptions = {}): Promise<MachineMeasurement> {
  const { threads = availableParallelism(), seconds = 0.25, signal } = options;
  if (!(Number.isSafeInteger(threads) && threads >= 1 && threads <= 1024))
    throw new InvalidArgumentError(`threads must be a whole number in 1..1024, got ${threads}.`, '', { what: 'threads', got: threads });
  if (!(seconds > 0 && seconds <= 60))
    throw new InvalidArgumentError(`seconds must be above 0 and at most 60, got ${seconds}.`, '', { what: 'seconds', got: seconds });
  const found = findAddon();
  if ('reasons' in found) throw new BackendUnavailableError('cpu', found.reasons);
  const { addon } = found;
  const wanted = instructionSet(options.isa ?? process.env[INSTRUCTION_SET_VARIABLE] ?? '', addon.instructionSets());
  if (signal?.aborted) throw new AbortedError('The measurement');
  const bufferBytes = Math.max(256, 16 * threads) * MEBIBYTE;
  let cancel: (() => void) | undefined;
  try {
    const pending = addon.probe({ instructionSet: wanted, threads, seconds, bufferBytes });
    cancel = () => pending.cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    const { instructionSet: name, readBytesPerSecond, int8MacsPerSecond } = await pending.promise;
    return { instructionSet: name, threads, readBytesPerSecond, ...(int8MacsPerSecond > 0 && { int8MacsPerSecond }) };
  } catch (error) {
    throw typedError(error);
  } finally {
    if (cancel) signal?.removeEventListener('abort', cancel);
  }
}
