import { describe, expect, it } from 'vitest';
import { createMemoryModel, createRandomModel, dequantize, tensorShapes } from '../src/index.js';

describe('createRandomModel', () => {
  it('is complete, reproducible and differs by seed', async () => {
    const model = createRandomModel({ seed: 1, type: 'Q8_0' });
    expect([...model.tensors.keys()]).toEqual([...tensorShapes(model.config).keys()]);
    expect(createRandomModel({ seed: 1, type: 'Q8_0' }).fingerprint).toBe(model.fingerprint);
    expect(createRandomModel({ seed: 2, type: 'Q8_0' }).fingerprint).not.toBe(model.fingerprint);
    const info = model.tensors.get('layers.0.query')!;
    const values = dequantize(info.type, await model.read(info.name), info.rows * info.columns);
    const meanSquare = values.reduce((sum, value) => sum + value * value, 0) / values.length;
    expect(Math.sqrt(meanSquare * info.columns)).toBeCloseTo(1.6, 1);
  });

  it('takes types by tensor and keeps norms in F32', () => {
    const model = createRandomModel({ seed: 1, type: 'F16', types: (name) => (name.endsWith('mlpDown') ? 'Q4_1' : undefined) });
    expect(model.tensors.get('layers.1.mlpDown')!.type).toBe('Q4_1');
    expect(model.tensors.get('layers.1.mlpUp')!.type).toBe('F16');
    expect(model.tensors.get('outputNorm')!.type).toBe('F32');
  });

  it('refuses rows that are not whole blocks, missing tensors and reads after close', async () => {
    expect(() => createRandomModel({ seed: 1, type: 'Q4_0', config: { intermediateSize: 80 } })).toThrow(/whole Q4_0 blocks/);
    const model = createRandomModel({ seed: 1 });
    expect(() => createMemoryModel(model.config, new Map())).toThrow(/missing/);
    await model.close();
    await expect(model.read('outputNorm')).rejects.toMatchObject({ code: 'GS_CLOSED' });
  });
});
