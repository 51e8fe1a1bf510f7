import type { Command } from 'commander';
import { Option } from 'commander';
import { decimalNumber, gatherEscaped, wholeNumber } from './parsers.js';

export interface SamplingOptions {
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repetitionPenalty?: number;
  readonly repetitionWindow?: number;
  readonly seed?: number;
}

export interface GenerationOptions extends SamplingOptions {
  readonly maxTokens?: number;
  readonly stop?: readonly string[];
  readonly ignoreEnd?: boolean;
  readonly prefillChunk?: number;
  readonly contextOverflow?: 'error' | 'clamp';
}

/** Where nobody says how long an answer may become. */
export const defaultMaxTokens = 512;

export function addSamplingOptions(command: Command): Command {
  return command
    .option('--temperature <t>', '0 is greedy (default: 0)', decimalNumber(0, 100))
    .option('--top-k <n>', 'the n likeliest tokens only; 0 is off', wholeNumber(0, 2147483647))
    .option('--top-p <p>', 'the likeliest tokens that hold this share', decimalNumber(0, 1))
    .option('--min-p <p>', 'tokens at least this likely relative to the likeliest', decimalNumber(0, 1))
    .option('--repetition-penalty <x>', '1 is off', decimalNumber(0.01, 100))
    .option('--repetition-window <n>', 'tokens that the penalty looks back', wholeNumber(1, 2147483647))
    .option('--seed <n>', 'same seed, same text on the same backend', wholeNumber(0, Number.MAX_SAFE_INTEGER));
}

export function addGenerationOptions(command: Command): Command {
  return addSamplingOptions(
    command
      .option(
        '-n, --max-tokens <n>',
        `longest answer (default: ${defaultMaxTokens}, or what the context still holds)`,
        wholeNumber(0, 2147483647),
      )
      .option('--stop <text>', 'end before this text; \\n and \\t are understood; can be repeated', gatherEscaped(16))
      .option('--ignore-end', "go on past the model's end token")
      .option('--prefill-chunk <n>', 'prompt rows per step; changes speed, never the text', wholeNumber(1, 2147483647))
      .addOption(
        new Option('--context-overflow <what>', 'where prompt and answer do not fit the context: error or clamp').choices([
          'error',
          'clamp',
        ]),
      ),
  );
}
