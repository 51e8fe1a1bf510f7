import { availableParallelism } from 'node:os';
import type { LoadOptions, TrainerOptions } from '@gateskip/backend';
import { InvalidArgumentError } from '@gateskip/errors';
import type { ModelConfig } from '@gateskip/model';
import { KV_FORMATS, LORA_MODES, type LoadSettings } from './load-request.js';
import { DEFAULT_REPACK_CACHE_BYTES, isRepackCacheOn } from './repack-cache.js';
import type { TrainerSettings } from './trainer-load-request.js';

/** Environment variable that picks an instruction set by name, where no option does. */
export const INSTRUCTION_SET_VARIABLE = 'GATESKIP_CPU_ISA';

const known: readonly string[] = ['isa', 'kvFormat', 'lora', 'repackCache', 'repackCacheBytes'];

/** @throws InvalidArgumentError */
export function loadSettings(config: ModelConfig, options: LoadOptions, available: readonly string[]): LoadSettings {
  const { extra = {} } = options;
  const unknown = Object.keys(extra).filter((key) => !known.includes(key));
  if (unknown.length > 0)
    throw new InvalidArgumentError(`Option ${unknown.join(', ')} is not known to the cpu backend.`, `Known: ${known.join(', ')}.`);
  const threads = wholeNumber('threads', options.threads ?? availableParallelism(), 1024);
  const maxTokens = wholeNumber('maxTokens', options.maxTokens ?? 8 * config.contextLength, Math.floor(2 ** 32 / config.layers));
  const kvFormat = oneOf('kvFormat', KV_FORMATS, extra.kvFormat ?? 'f16');
  const lora = oneOf('lora', LORA_MODES, extra.lora ?? 'carry');
  return {
    threads,
    adaptsThreads: options.threads === undefined ? 1 : 0,
    maxTokens,
    kvFormat,
    lora,
    instructionSet: instructionSet(extra.isa ?? process.env[INSTRUCTION_SET_VARIABLE] ?? '', available),
  };
}

/** @throws InvalidArgumentError */
export function trainerSettings(options: TrainerOptions, available: readonly string[]): TrainerSettings {
  const { extra = {} } = options;
  const unknown = Object.keys(extra).filter((key) => key !== 'isa' && key !== 'precision');
  if (unknown.length > 0)
    throw new InvalidArgumentError(`Option ${unknown.join(', ')} is not known to the cpu trainer.`, 'Known: isa, precision.');
  const { precision = 'f32' } = extra;
  if (precision !== 'f32' && precision !== 'bf16' && precision !== 'auto')
    throw new InvalidArgumentError(`precision must be f32, bf16 or auto, got ${String(precision)}.`, '', {
      what: 'precision',
      got: precision,
    });
  return {
    bf16: precision !== 'f32',
    bf16IfThere: precision === 'auto',
    threads: wholeNumber('threads', options.threads ?? availableParallelism(), 1024),
    instructionSet: instructionSet(extra.isa ?? process.env[INSTRUCTION_SET_VARIABLE] ?? '', available),
  };
}

/** Bytes that the cache of repacked weights may take; 0 where it is off. @throws InvalidArgumentError */
export function repackCacheBytes({ extra = {} }: LoadOptions, env = process.env): number {
  const { repackCache = isRepackCacheOn(env), repackCacheBytes: bytes = DEFAULT_REPACK_CACHE_BYTES } = extra;
  if (typeof repackCache !== 'boolean')
    throw new InvalidArgumentError(`repackCache must be true or false, got ${String(repackCache)}.`, '', {
      what: 'repackCache',
      got: repackCache,
    });
  if (typeof bytes !== 'number')
    throw new InvalidArgumentError(`repackCacheBytes must be a number, got ${String(bytes)}.`, '', {
      what: 'repackCacheBytes',
      got: bytes,
    });
  const limit = wholeNumber('repackCacheBytes', bytes, Number.MAX_SAFE_INTEGER);
  return repackCache ? limit : 0;
}

export function instructionSet(wanted: string | number | boolean, available: readonly string[]): string {
  if (wanted === '') return '';
  if (typeof wanted === 'string' && available.includes(wanted)) return wanted;
  throw new InvalidArgumentError(`Instruction set ${String(wanted)} is not available here.`, `Available: ${available.join(', ')}.`, {
    expected: available,
    got: wanted,
  });
}

function oneOf<T extends string>(what: string, known: readonly T[], got: string | number | boolean): T {
  const found = known.find((name) => name === got);
  if (found !== undefined) return found;
  throw new InvalidArgumentError(`${what} must be one of ${known.join(', ')}, got ${String(got)}.`, '', { what, got });
}

function wholeNumber(name: string, value: number, most: number): number {
  if (Number.isSafeInteger(value) && value >= 1 && value <= most) return value;
  throw new InvalidArgumentError(`${name} must be a whole number in 1..${most}, got ${value}.`, '', { what: name, got: value });
}
