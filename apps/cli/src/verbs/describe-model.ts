import { type GateSet, standInRank } from '@gateskip/gate';
import type { Model, ModelConfig, ResolvedModel } from '@gateskip/model';
import { bytes, grouped, percent } from '../output/format.js';
import { pairs, table } from '../output/table.js';
import type { ChosenAdapter } from '../session/choose-adapter.js';
import { describeBackbone } from './describe-backbone.js';

interface Description {
  readonly text: string;
  readonly json: Readonly<Record<string, unknown>>;
}

/** A model's sizes, tensor types and text side. */
export function describeModel(model: Model, resolved: ResolvedModel): Description {
  const { config, tokenizer, tensors } = model;
  const byType = new Map<string, { tensors: number; parameters: number; sizeBytes: number }>();
  let parameters = 0;
  for (const { type, rows, columns, data } of tensors.values()) {
    const sum = byType.get(type) ?? { tensors: 0, parameters: 0, sizeBytes: 0 };
    sum.tensors += 1;
    sum.parameters += rows * columns;
    sum.sizeBytes += data.kind === 'file' ? data.sizeBytes : data.bytes.byteLength;
    parameters += rows * columns;
    byType.set(type, sum);
  }
  const types = [...byType].map(([type, sum]) => ({ type, ...sum })).sort((a, b) => b.sizeBytes - a.sizeBytes);
  const json = {
    reference: resolved.reference,
    source: resolved.source,
    path: resolved.path,
    fingerprint: model.fingerprint,
    sizeBytes: model.sizeBytes,
    parameters,
    config,
    tensorTypes: types,
    tokenizer: tokenizer
      ? { vocabularySize: tokenizer.vocabularySize, addBegin: tokenizer.addBegin, stopTokens: [...tokenizer.stopTokens] }
      : null,
    chatTemplate: model.chatTemplate ?? null,
  };
  const text =
    pairs([
      ['model', config.name],
      ['file', resolved.path],
      ['fingerprint', model.fingerprint],
      ['size', `${bytes(model.sizeBytes)}, ${grouped(parameters)} parameters`],
      ['layers', `${config.layers} of width ${config.hiddenSize}, inner width ${config.intermediateSize}`],
      ['attention', `${config.heads} heads of ${config.headSize} over ${config.kvHeads} K/V heads`],
      ['context', `${grouped(config.contextLength)} tokens`],
      ['vocabulary', `${grouped(config.vocabularySize)} tokens${config.tiedEmbeddings ? ', embeddings tied to the output' : ''}`],
      ['chat template', model.chatTemplate === undefined ? 'none' : `${model.chatTemplate.length} characters`],
    ]) +
    `\n${table(
      ['type', 'tensors', 'parameters', 'size'],
      types.map(({ type, tensors: count, parameters: held, sizeBytes }) => [type, String(count), grouped(held), bytes(sizeBytes)]),
      [1, 2, 3],
    )}`;
  return { text, json };
}

function standInWords(gates: GateSet): string {
  if (gates.standIns === undefined) return '';
  const rank = standInRank(gates);
  return rank === 0 ? ', with stand-ins' : `, with stand-ins that follow the token (rank ${rank})`;
}

/** Gates: what they are, what they change in the model, what their curve promises, where they come from. */
export async function describeAdapter({ adapter, origin }: ChosenAdapter, config: ModelConfig): Promise<Description> {
  const { name, modelName, modelFingerprint, layers, gates, calibration, provenance } = adapter;
  const { spec, standIns } = gates;
  const size = spec.rank !== undefined ? ` of rank ${spec.rank}` : spec.hidden !== undefined ? ` of inner width ${spec.hidden}` : '';
  const backbone = await describeBackbone(adapter, config);
  const json = {
    name,
    origin,
    modelName,
    modelFingerprint,
    layers,
    spec,
    standIns: standIns !== undefined,
    standInRank: standInRank(gates),
    backbone: backbone?.json ?? null,
    calibration: {
      kv: calibration.kv,
      tokens: calibration.tokens,
      protectedBranches: calibration.protectedBranches,
      pinnedTokens: calibration.pinnedTokens,
      curve: calibration.curve,
    },
    provenance,
  };
  const text =
    pairs([
      ['adapter', `${name} (${origin})`],
      ['for', `${modelName} (${modelFingerprint.slice(0, 12)})`],
      [
        'gates',
        `${spec.variant}${size}, ${spec.sharing}, ${spec.position} the branch, ${spec.multiplies ? 'multiplying' : 'only scoring'}${standInWords(gates)}`,
      ],
      ...(backbone?.rows ?? []),
      ['kv', calibration.kv],
      ['protected', `${calibration.protectedBranches.length} of ${2 * layers} branches, the first ${calibration.pinnedTokens} tokens`],
      ['made by', `${provenance.method}, gateskip ${provenance.version}, ${provenance.created}`],
      ['command', provenance.command],
      ['data', provenance.data],
      ['data licence', provenance.license],
    ]) +
    `\nCurve, measured on ${grouped(calibration.tokens)} tokens:\n${table(
      ['threshold', 'skip', 'net MACs'],
      calibration.curve.map(({ threshold, skip, net }) => [threshold.toFixed(4), percent(skip), percent(net)]),
      [0, 1, 2],
    )}`;
  return { text, json };
}
