import { readFileSync } from 'node:fs';
import { cpuBackend } from '@gateskip/backend-cpu';
import { loadModel } from '@gateskip/model';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import type { BenchReport } from '../../src/bench/bench-report.js';
import { commandLine, documentOf } from '../support/command-line.js';

/** A short real run. Its numbers are of no use, so none is held to a target: a test that is timed tells of the neighbours. */
let path: string | undefined;
let reason = '';
try {
  const model = await loadModel('smollm2-135m');
  path = model.path;
  await model.close();
  const { available, reasons } = await cpuBackend.probe();
  if (!available) {
    path = undefined;
    reason = ` (the native backend cannot run: ${reasons.join('; ')})`;
  }
} catch (error) {
  reason = ` (the model cannot be had: ${error instanceof Error ? error.message : String(error)})`;
}

const schema = JSON.parse(readFileSync(new URL('../../../../benchmarks/bench.schema.json', import.meta.url), 'utf8')) as object;

describe.skipIf(path === undefined)(`bench on the real model${reason}`, () => {
  it('measures everything and keeps to its schema', async () => {
    const words = ['--backend', 'cpu', '--quick', '--rounds', '1', '-n', '8', '--skip', '0,50', '--json'];
    const ran = await commandLine(['bench', path as string, ...words]);
    expect(ran.code, ran.stdout + ran.stderr).toBe(0);
    const report = documentOf<BenchReport>(ran);
    const validate = new Ajv2020({ allErrors: true, allowUnionTypes: true }).compile(schema);
    expect(validate(report), JSON.stringify(validate.errors)).toBe(true);
    expect(report.workload.adapter).not.toBeNull();
    expect(report.threads.map(({ threads }) => threads)).toContain(1);
    expect(report.threads[0]?.overOne?.decode).toEqual({ median: 1, low: 1, high: 1 });
    expect(report.batch8?.median).toBeGreaterThan(0);
    expect(report.bandwidthShare).not.toBeNull();
    // Head and half of the branches at least are read, and no more than everything.
    expect(report.skip[1]!.bytesLeft).toBeGreaterThan(0.3);
    expect(report.skip[1]!.bytesLeft).toBeLessThan(0.95);
    expect(report.jsShare.engine.median).toBeLessThan(1);
    const measured = report.targets.filter((row) => row.measured !== null).map(({ name }) => name);
    expect(measured).toEqual(expect.arrayContaining(['8 sequences together over one', 'read bandwidth used in decode']));
  }, 170_000);
});
