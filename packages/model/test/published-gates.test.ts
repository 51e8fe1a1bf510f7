import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gateForward } from '@gateskip/gate';
import { describe, expect, it } from 'vitest';
import { AdapterInvalidError, createRandomModel, readPublishedGates, writeSafetensors } from '../src/index.js';
import { testFolder } from './support/folder.js';

const folder = testFolder();
const { config } = createRandomModel({ seed: 1, config: { layers: 3, hiddenSize: 32, heads: 2, kvHeads: 1, headSize: 16 } });
const d = config.hiddenSize;

type Tensors = Map<string, { shape: number[]; values: Float32Array }>;

let files = 0;
async function toFile(tensors: Tensors): Promise<string> {
  const path = join(folder, `checkpoint-${files++}.safetensors`);
  const stored = [...tensors].map(
    ([name, { shape, values }]) => [name, { type: 'F32', shape, bytes: new Uint8Array(values.buffer) }] as const,
  );
  await writeSafetensors(path, new Map(stored));
  return path;
}

/** A checkpoint as the published code saves one: each branch wrapped, names behind the prefix of who saved it. */
function checkpoint(width: number, options: { prefix?: string; shared?: boolean; backbone?: boolean } = {}): Tensors {
  const { prefix = 'model.', shared = false, backbone = false } = options;
  const tensors: Tensors = new Map();
  const wave = (shape: number[], seed: number) => ({
    shape,
    values: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(seed + i)),
  });
  for (let layer = 0; layer < config.layers; layer++) {
    for (const [index, kind] of ['self_attn', 'mlp'].entries()) {
      const name = `${prefix}layers.${layer}.${kind}`;
      const seed = 100 * (shared ? index : 2 * layer + index);
      tensors.set(`${name}.gate.gate.weight`, wave([width, d], seed));
      tensors.set(`${name}.gate.gate.bias`, wave([width], seed + 7));
      if (backbone) tensors.set(`${name}.module.down_proj.weight`, wave([d, d], 3));
    }
  }
  return tensors;
}

describe('readPublishedGates', () => {
  it.each([
    ['vector', d, 'model.'],
    ['vector', d, 'model.model.'],
    ['scalar', 1, 'base_model.model.model.'],
  ] as const)('reads separate %s gates of width %i behind "%s"', async (variant, width, prefix) => {
    const tensors = checkpoint(width, { prefix });
    const { gates, otherTensors } = await readPublishedGates(await toFile(tensors), config);
    expect(gates.spec).toEqual({ variant, sharing: 'separate', position: 'before', multiplies: true });
    expect(otherTensors).toBe(0);
    expect(gates.gates).toHaveLength(6);
    expect(gates.gates[3]!.weight).toEqual(tensors.get(`${prefix}layers.1.mlp.gate.gate.weight`)!.values);
    // What the published module computes: sigmoid(W x + b), its mean as the score.
    const x = Float32Array.from({ length: d }, (_, i) => Math.cos(i));
    const { values: weight } = tensors.get(`${prefix}layers.2.self_attn.gate.gate.weight`)!;
    const { values: bias } = tensors.get(`${prefix}layers.2.self_attn.gate.gate.bias`)!;
    const expected = Array.from(
      bias,
      (b, row) => 1 / (1 + Math.exp(-(b + x.reduce((sum, value, i) => sum + value * weight[row * d + i]!, 0)))),
    );
    const { output } = gateForward(gates.spec, gates.gates[4]!, x, 1, d);
    for (const [i, value] of expected.entries()) expect(output[i]).toBeCloseTo(value, 5);
  });

  it('tells shared gates by their numbers, and counts what is no gate', async () => {
    const { gates, otherTensors } = await readPublishedGates(await toFile(checkpoint(1, { shared: true, backbone: true })), config);
    expect(gates.spec.sharing).toBe('shared');
    expect(new Set(gates.gates).size).toBe(2);
    expect(otherTensors).toBe(6);
  });

  const change = (body: (tensors: Tensors) => void): Tensors => {
    const tensors = checkpoint(1);
    body(tensors);
    return tensors;
  };
  const gate = { shape: [1, d], values: new Float32Array(d).fill(0.1) };
  it.each<[string, Tensors, RegExp]>([
    ['no gates', change((t) => t.clear()), /no gates/],
    ['gates on attention alone', change((t) => t.delete('model.layers.1.mlp.gate.gate.bias')), /MLP in layer 1 has no bias/],
    ['MLP gates', change((t) => t.set('model.layers.0.mlp.gate.gate.0.weight', gate)), /ReLU/],
    ['a layer too many', change((t) => t.set('model.layers.3.mlp.gate.gate.weight', gate)), /3 layers/],
    ['another width', change((t) => t.set('model.layers.1.mlp.gate.gate.weight', { ...gate, shape: [2, d / 2] })), /shape \[2, 16\]/],
    ['a gate twice', change((t) => t.set('other.layers.1.mlp.gate.gate.weight', gate)), /same gate/],
    ['numbers that are none', change((t) => t.get('model.layers.1.mlp.gate.gate.weight')!.values.fill(Number.NaN)), /finite|NaN/],
    ['another model', checkpoint(d + 2), /shape/],
  ])('refuses %s', async (_, tensors, words) => {
    const path = await toFile(tensors);
    const refused = readPublishedGates(path, config);
    await expect(refused).rejects.toThrow(AdapterInvalidError);
    await expect(refused).rejects.toThrow(words);
  });

  it('refuses what is no safetensors file', async () => {
    const path = join(folder, 'pickle.pt');
    writeFileSync(path, Buffer.concat([Buffer.from('PK\u0003\u0004'), Buffer.alloc(200)]));
    await expect(readPublishedGates(path, config)).rejects.toThrow(AdapterInvalidError);
  });
});
