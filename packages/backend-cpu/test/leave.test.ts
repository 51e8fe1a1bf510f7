import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createRandomModel } from '@gateskip/model';
import { describe, expect, it } from 'vitest';
import { findAddon } from '../src/addon.js';
import { loadRequest } from '../src/load-request.js';
import { type FileModel, toFile } from './file-model.js';
import { plainStep } from './support/plain-step.js';

/** A step of some 100 ms, so that leaving falls into it. */
async function message(how: string): Promise<{ readonly file: FileModel; readonly message: object }> {
  const found = findAddon();
  if (!('addon' in found)) throw new Error('the addon is not built');
  const sizes = {
    layers: 8,
    hiddenSize: 256,
    heads: 4,
    kvHeads: 4,
    headSize: 64,
    ropeSize: 64,
    intermediateSize: 1024,
    contextLength: 512,
  };
  const file = await toFile(createRandomModel({ seed: 1, config: sizes }));
  const settings = {
    threads: 2,
    adaptsThreads: 0,
    instructionSet: 'scalar',
    maxTokens: 512,
    kvFormat: 'f32' as const,
    lora: 'carry' as const,
  };
  const step = plainStep(file.model.config, new Int32Array(256));
  return { file, message: { how, addonPath: found.path, request: loadRequest(file.model, undefined, settings, undefined), step } };
}

describe('leaving in the middle of a step', () => {
  for (const [how, exitCode] of [
    ['exit', 0],
    ['worker', 0],
    ['await', 7],
  ] as const) {
    it(`${how}: ends as it should`, async () => {
      const { file, message: text } = await message(how);
      const child = fork(fileURLToPath(new URL('./support/leave-child.mjs', import.meta.url)), { serialization: 'advanced', execArgv: [] });
      const heard: unknown[] = [];
      child.on('message', (part) => heard.push(part));
      child.send(text);
      const [code, signal] = await once(child, 'exit');
      expect({ code, signal, heard }).toEqual({ code: exitCode, signal: null, heard: ['left'] });
      file.remove();
    }, 60_000);
  }
});
