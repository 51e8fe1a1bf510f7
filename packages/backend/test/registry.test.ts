import { describe, expect, it } from 'vitest';
import { type Backend, createBackendRegistry } from '../src/index.js';

function fake(name: string, reasons: string[] = [], unsupported: string[] = []): Backend {
  return {
    name,
    probe: async () => ({ available: reasons.length === 0, reasons, details: { name } }),
    explain: async () => unsupported,
    load: async () => {
      throw new Error('not in this test');
    },
  };
}

describe('createBackendRegistry', () => {
  it('imports nothing before it is asked, and once', async () => {
    let imports = 0;
    const registry = createBackendRegistry();
    registry.register('one', async () => {
      imports++;
      return fake('one');
    });
    expect(imports).toBe(0);
    await registry.resolve('one');
    await registry.resolve('auto');
    expect(imports).toBe(1);
  });

  it('auto takes the first that can, and says why others were passed over', async () => {
    const registry = createBackendRegistry();
    registry.register('broken', async () => {
      throw new Error('no such module');
    });
    registry.register('absent', async () => fake('absent', ['no device']));
    registry.register('narrow', async () => fake('narrow', [], ['no rule repeat']));
    registry.register('manual', async () => fake('manual'), { automatic: false });
    registry.register('good', async () => fake('good'));
    const choice = await registry.resolve('auto', { rules: ['repeat'] });
    expect(choice.backend.name).toBe('good');
    expect(choice.passedOver).toEqual([
      { name: 'broken', reasons: ['It cannot be imported: no such module'] },
      { name: 'absent', reasons: ['no device'] },
      { name: 'narrow', reasons: ['no rule repeat'] },
    ]);
    expect((await registry.resolve('manual')).backend.name).toBe('manual');
    expect(await registry.explain('absent')).toEqual(['no device']);
    expect(await registry.explain('good')).toEqual([]);
  });

  it('throws with all reasons where none can, and names what it knows', async () => {
    const registry = createBackendRegistry();
    registry.register('absent', async () => fake('absent', ['no device']));
    await expect(registry.resolve('auto')).rejects.toMatchObject({
      code: 'GS_BACKEND_UNAVAILABLE',
      fields: { reasons: ['absent: no device'] },
    });
    await expect(registry.resolve('absent')).rejects.toMatchObject({ code: 'GS_BACKEND_UNAVAILABLE', fields: { reasons: ['no device'] } });
    await expect(registry.resolve('cuda')).rejects.toThrow(/Known: auto, absent/);
    await expect(createBackendRegistry().resolve('auto')).rejects.toMatchObject({ code: 'GS_BACKEND_UNAVAILABLE' });
    expect(() => registry.register('absent', async () => fake('absent'))).toThrow(/already/);
    expect(() => registry.register('../x', async () => fake('x'))).toThrow(/not a name/);
    expect(() => registry.register('auto', async () => fake('x'))).toThrow(/not a name/);
  });

  it('tries again after an import that failed', async () => {
    let isRepaired = false;
    const registry = createBackendRegistry();
    registry.register('late', async () => {
      if (!isRepaired) throw new Error('missing');
      return fake('late');
    });
    await expect(registry.resolve('late')).rejects.toThrow(/missing/);
    isRepaired = true;
    expect((await registry.resolve('late')).backend.name).toBe('late');
  });
});
