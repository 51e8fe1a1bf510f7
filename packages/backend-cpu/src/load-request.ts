import { type GateSet, type GateVariant, standInRank } from '@gateskip/gate';
import { type GateAdapter, type Model, rotaryFrequencies, type TensorInfo, type TensorType } from '@gateskip/model';
import { lowRankRequest } from './backbone-request.js';
import type { RepackCacheRequest } from './repack-cache.js';

const TYPE_CODES: Readonly<Record<TensorType, number>> = { F32: 0, F16: 1, BF16: 2, Q4_0: 3, Q4_1: 4, Q8_0: 5 };
const VARIANT_CODES: Readonly<Record<GateVariant, number>> = { vector: 0, scalar: 1, mlp: 2, 'low-rank': 3, hybrid: 4 };

/** Codes of kernels/cpu/src/kv-layout.h. */
const KV_FORMAT_CODES = { f32: 0, f16: 1, q8: 2 } as const;

/** How K/V rows are kept: `q8` has int8 with one scale per head. */
export type KvFormat = keyof typeof KV_FORMAT_CODES;

export const KV_FORMATS = Object.keys(KV_FORMAT_CODES) as readonly KvFormat[];

/** What becomes of low-rank additions: computed beside the weights, or written into them. */
export type LoraMode = 'carry' | 'merge';

export const LORA_MODES: readonly LoraMode[] = ['carry', 'merge'];

export interface LoadSettings {
  readonly threads: number;
  /** Whether steps of few rows may use fewer threads where that was faster lately (1 or 0). */
  readonly adaptsThreads: number;
  readonly instructionSet: string;
  readonly maxTokens: number;
  readonly kvFormat: KvFormat;
  readonly lora: LoraMode;
}

/** Everything the addon needs to load a model, as plain data; see packages/backend-cpu/native/load-worker.cc. */
export function loadRequest(
  model: Pick<Model, 'config' | 'tensors'>,
  adapter: GateAdapter | undefined,
  settings: LoadSettings,
  repackCache: RepackCacheRequest | undefined,
): object {
  const lora = settings.lora === 'carry' ? adapter?.backbone?.lora : undefined;
  return {
    ...settings,
    ...modelRequest(model),
    kvFormat: KV_FORMAT_CODES[settings.kvFormat],
    ...(adapter && { gates: gateRequest(adapter) }),
    ...(lora && { lowRank: lowRankRequest(lora) }),
    ...(repackCache && { repackCache }),
  };
}

/** Sizes and tensors, for whatever is loaded. */
export function modelRequest({ config, tensors }: Pick<Model, 'config' | 'tensors'>): object {
  return {
    config: {
      layers: config.layers,
      hiddenSize: config.hiddenSize,
      heads: config.heads,
      kvHeads: config.kvHeads,
      headSize: config.headSize,
      intermediateSize: config.intermediateSize,
      vocabularySize: config.vocabularySize,
      contextLength: config.contextLength,
      rmsNormEpsilon: config.rmsNormEpsilon,
      interleaved: config.ropeLayout === 'interleaved',
      frequencies: rotaryFrequencies(config),
    },
    tensors: [...tensors.values()].map(tensorRequest),
  };
}

function tensorRequest({ name, type, rows, columns, data }: TensorInfo): object {
  const where = data.kind === 'file' ? { path: data.path, offset: data.offset, sizeBytes: data.sizeBytes } : { bytes: data.bytes };
  return { name, type: TYPE_CODES[type], rows, columns, ...where };
}

function gateRequest({ gates }: GateAdapter): object {
  const { standIns, standInMaps } = gates;
  return { ...gateKind(gates), gates: gates.gates, standIns, ...(standInMaps && { standInMaps, standInRank: standInRank(gates) }) };
}

/** What kind of gates, without their numbers. */
export function gateKind({ spec }: GateSet): object {
  return {
    variant: VARIANT_CODES[spec.variant],
    multiplies: spec.multiplies,
    after: spec.position === 'after',
    inner: (spec.variant === 'mlp' ? spec.hidden : spec.rank) ?? 0,
  };
}
