import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type BackboneChanges,
  bfloatToFloat,
  createRandomModel,
  floatToBfloat,
  type GateAdapter,
  type LayerMatrix,
  type LoraChanges,
  type LoraFactors,
  layerMatrices,
  loraRowCosts,
  normNames,
  readAdapter,
  tensorShapes,
  writeAdapter,
} from '../src/index.js';
import { type AdapterHeader, inDescription, rewriteHeader } from './support/adapter-header.js';
import { testFolder } from './support/folder.js';
import { tinyAdapter } from './support/tiny-adapter.js';
import { tinyBackbone } from './support/tiny-backbone.js';

const folder = testFolder();
const path = join(folder, 'backbone.safetensors');
const changed = (backbone: BackboneChanges): GateAdapter => ({ ...tinyAdapter(), backbone });
const all = tinyBackbone({ norms: normNames(2) });

const refused = (message: RegExp) => ({ code: 'GS_ADAPTER_INVALID', message: expect.stringMatching(message) });

describe('round trip', () => {
  it('any matrices, ranks and norms come back bit for bit, as version 2', async () => {
    const property = fc.asyncProperty(
      fc.subarray([...layerMatrices]),
      fc.subarray(normNames(2)),
      fc.integer({ min: 1, max: 6 }),
      fc.nat(),
      async (matrices, norms, rank, seed) => {
        fc.pre(matrices.length + norms.length > 0);
        const adapter = changed(tinyBackbone({ matrices, norms, rank, seed }));
        await writeAdapter(path, adapter);
        expect(await readAdapter(path)).toEqual({ ...adapter, formatVersion: 2 });
      },
    );
    await fc.assert(property, { numRuns: 40 });
  });

  it('without changes it stays version 1, whatever it was read as', async () => {
    await writeAdapter(path, { ...tinyAdapter(), formatVersion: 2 });
    expect((await readAdapter(path)).formatVersion).toBe(1);
  });

  it('additions round to BF16 unless F32 is asked for; norms never round', async () => {
    const third = (values: ArrayLike<number>) => Float32Array.from(values, (value) => value / 3);
    const lora = all.lora as LoraChanges;
    const query = { down: third(lora.layers[0]?.query?.down ?? []), up: third(lora.layers[0]?.query?.up ?? []) };
    const norms = new Map([['outputNorm', third(tinyBackbone({ norms: ['outputNorm'] }).norms?.get('outputNorm') ?? [])]]);
    const adapter = changed({ lora: { ...lora, layers: [{ ...lora.layers[0], query }, lora.layers[1] ?? {}] }, norms });
    await writeAdapter(path, adapter);
    const rounded = (await readAdapter(path)).backbone;
    expect(rounded?.lora?.layers[0]?.query?.down).toEqual(query.down.map((value) => bfloatToFloat(floatToBfloat(value))));
    expect(rounded?.norms).toEqual(norms);
    await writeAdapter(path, adapter, { loraType: 'F32' });
    expect((await readAdapter(path)).backbone).toEqual(adapter.backbone);
  });

  it('float64 factors, as a trainer may hold them, are stored too', async () => {
    const query: LoraFactors = { down: new Float64Array(16).fill(0.5), up: new Float64Array(24).fill(-2) };
    await writeAdapter(path, changed({ lora: { rank: 2, alpha: 4, matrices: ['query'], layers: [{ query }, { query }] } }));
    expect((await readAdapter(path)).backbone?.lora?.layers[1]?.query?.up).toEqual(new Float32Array(24).fill(-2));
  });
});

describe('costs', () => {
  it('rank (in + out) by what computes them', () => {
    const { config } = createRandomModel({ seed: 1 });
    const of = (names: readonly LayerMatrix[]) =>
      names.reduce((sum, name) => sum + 2 * (tensorShapes(config).get(`layers.0.${name}`) as [number, number]).reduce((a, b) => a + b), 0);
    expect(loraRowCosts(config, { rank: 2, matrices: layerMatrices })).toEqual({
      attention: of(['query', 'key', 'value', 'attentionOutput']),
      keyValue: of(['key', 'value']),
      mlp: of(['mlpGate', 'mlpUp', 'mlpDown']),
    });
    expect(loraRowCosts(config, undefined)).toEqual({ attention: 0, keyValue: 0, mlp: 0 });
  });
});

const withLora = (change: (lora: LoraChanges) => object): GateAdapter =>
  changed({ lora: { ...(all.lora as LoraChanges), ...change(all.lora as LoraChanges) } });
const withNorms = (...norms: readonly (readonly [string, Float32Array])[]): GateAdapter => changed({ norms: new Map(norms) });
const withQuery = (query: LoraFactors): GateAdapter => withLora((lora) => ({ layers: lora.layers.map((layer) => ({ ...layer, query })) }));

describe('broken changes are refused when written', () => {
  it.each([
    ['no changes at all', () => changed({}), /empty/],
    ['rank 0', () => withLora(() => ({ rank: 0 })), /rank/],
    ['rank 513', () => withLora(() => ({ rank: 513 })), /1 to 512/],
    ['rank 1.5', () => withLora(() => ({ rank: 1.5 })), /rank/],
    ['rank that the factors do not have', () => withLora(() => ({ rank: 3 })), /shape|width/],
    ['alpha NaN', () => withLora(() => ({ alpha: Number.NaN })), /alpha/],
    ['no matrices', () => withLora(() => ({ matrices: [] })), /no matrix|does not name/],
    ['an unknown matrix', () => withLora(() => ({ matrices: ['query', '__proto__'] })), /__proto__/],
    ['a matrix twice', () => withLora(() => ({ matrices: ['query', 'query'] })), /twice/],
    ['a matrix that is not named', () => withLora(() => ({ matrices: ['query'] })), /does not name/],
    ['a layer too few', () => withLora((lora) => ({ layers: lora.layers.slice(1) })), /1 layers/],
    ['a layer that lacks a matrix', () => withLora((lora) => ({ layers: [lora.layers[0], {}] })), /layer 1 lacks/],
    [
      'layers of other shapes',
      () =>
        withLora((lora) => ({
          layers: [lora.layers[0], { ...lora.layers[1], query: { down: new Float32Array(16), up: new Float32Array(20) } }],
        })),
      /in layer 0/,
    ],
    ['a stream of another width', () => withQuery({ down: new Float32Array(18), up: new Float32Array(24) }), /width 8/],
    [
      'a rank above a side',
      () =>
        withLora(() => ({
          rank: 3,
          matrices: ['key'],
          layers: [0, 1].map(() => ({ key: { down: new Float32Array(24), up: new Float32Array(6) } })),
        })),
      /3 to/,
    ],
    ['a factor NaN', () => withQuery({ down: new Float32Array(16).fill(Number.NaN), up: new Float32Array(24) }), /NaN/],
    ['a factor beyond BF16', () => withQuery({ down: new Float32Array(16).fill(3.4e38), up: new Float32Array(24) }), /BF16/],
    ['a factor beyond F32', () => withQuery({ down: new Float64Array(16).fill(1e300), up: new Float64Array(24) }), /BF16|F32/],
    ['an unknown norm', () => withNorms(['layers.2.mlpNorm', new Float32Array(8)]), /layers\.2\.mlpNorm/],
    ['a norm of another width', () => withNorms(['outputNorm', new Float32Array(9)]), /9 numbers/],
    ['a norm NaN', () => withNorms(['outputNorm', new Float32Array(8).fill(Number.NaN)]), /NaN/],
    ['no norms', () => withNorms(), /no norm/],
  ] as const)('%s', async (_name, make, message) => {
    await expect(writeAdapter(path, make())).rejects.toMatchObject(refused(message));
  });
});

describe('broken changes are refused when read', () => {
  type Backbone = { lora: { rank: number; alpha: unknown; matrices: Record<string, unknown> }; norms: unknown[] };
  const json = (change: (backbone: Backbone, head: Record<string, unknown>) => void) =>
    inDescription((head) => change(head.backbone as Backbone, head));
  const tensor = (name: string, change: object | undefined) => (header: AdapterHeader) => {
    if (change) header[name] = { ...(header[name] as object), ...change };
    else delete header[name];
  };
  it.each([
    ['version 1 with changes', json((_, head) => Object.assign(head, { formatVersion: 1 })), /make version 2/],
    ['version 2 without them', json((_, head) => delete head.backbone), /no backbone/],
    ['changes that are a list', json((_, head) => Object.assign(head, { backbone: [] })), /not an object/],
    ['changes of a kind to come', json((backbone) => Object.assign(backbone, { biases: [] })), /biases/],
    ['rank of another number', json((backbone) => Object.assign(backbone.lora, { rank: 1 })), /shape/],
    ['rank of a billion', json((backbone) => Object.assign(backbone.lora, { rank: 1e9 })), /1 to 512/],
    ['alpha that is a text', json((backbone) => Object.assign(backbone.lora, { alpha: '2' })), /alpha/],
    ['matrices that are a list', json((backbone) => Object.assign(backbone.lora, { matrices: [] })), /not an object/],
    ['an unknown matrix', json((backbone) => Object.assign(backbone.lora.matrices, { output: [8, 8] })), /output/],
    ['a matrix of three sides', json((backbone) => Object.assign(backbone.lora.matrices, { query: [8, 8, 8] })), /query/],
    ['a matrix of 2^40 rows', json((backbone) => Object.assign(backbone.lora.matrices, { query: [2 ** 40, 8] })), /16777216/],
    ['a matrix of more rows than stored', json((backbone) => Object.assign(backbone.lora.matrices, { query: [2 ** 24, 8] })), /shape/],
    ['a matrix that is not described', json((backbone) => delete backbone.lora.matrices.query), /no place/],
    ['a norm that is not described', json((backbone) => backbone.norms.pop()), /no place/],
    ['a norm named twice', json((backbone) => backbone.norms.splice(0, 1, backbone.norms[1])), /twice/],
    ['norms without end', json((backbone) => Object.assign(backbone, { norms: new Array(1e5).fill('outputNorm') })), /at most 5/],
    ['a tensor missing', tensor('layers.1.mlpDown.loraUp', undefined), /loraUp.*missing|bytes|gap/],
    ['a tensor of another shape', tensor('layers.1.mlpDown.loraUp', { shape: [16, 1] }), /shape \[16, 1\]/],
  ] as const)('%s', async (_name, change, message) => {
    await writeAdapter(path, changed(all));
    rewriteHeader(path, change);
    await expect(readAdapter(path)).rejects.toMatchObject(refused(message));
  });

  it('numbers that are not finite', async () => {
    await writeAdapter(path, changed(all));
    const bytes = readFileSync(path);
    const length = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.toString('utf8', 8, 8 + length));
    for (const [name, stored] of [
      ['layers.0.value.loraDown', [0x80, 0x7f]],
      ['outputNorm', [0, 0, 0xc0, 0x7f]],
    ] as const) {
      const spoiled = Buffer.from(bytes);
      Buffer.from(stored).copy(spoiled, 8 + length + header[name].data_offsets[0]);
      writeFileSync(path, spoiled);
      await expect(readAdapter(path)).rejects.toMatchObject(refused(/Infinity|NaN/));
    }
  });
});
