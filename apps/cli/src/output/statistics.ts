import type { GenerationResult } from '@gateskip/engine';
import { formatBudget } from '@gateskip/scheduler';
import { grouped, percent, rate } from './format.js';

/** What a generation did, in three lines for people, and its warnings. */
export function statisticsLines(result: GenerationResult, backend: string, adapter: string | undefined): readonly string[] {
  const { skip, kvRows } = result;
  const asked = skip.asked === undefined ? 'no budget (dense)' : `budget ${formatBudget(skip.asked)}`;
  const held =
    skip.asked === undefined
      ? ''
      : `, skipped ${percent(skip.held.skip)} (prompt ${percent(skip.prefill.skip)}, answer ${percent(skip.decode.skip)}), policy ${result.policy}`;
  const end = result.finishReason === 'length' ? `the limit of ${result.completionTokens} tokens` : stopWord(result);
  return [
    `prompt ${result.promptTokens} tokens at ${rate(result.prefillTokensPerSecond)}, answer ${result.completionTokens} tokens at ${rate(result.decodeTokensPerSecond)}, ended by ${end}`,
    `${asked}${held}, net MACs ${percent(skip.held.net)} of dense, K/V rows ${grouped(kvRows.used)} of ${grouped(kvRows.dense)}`,
    `backend ${backend}${adapter === undefined ? '' : `, adapter ${adapter}`}, seed ${result.seed}${result.clamped ? ', answer limited by the context' : ''}`,
    ...result.warnings.map((warning) => `warning: ${warning}`),
  ];
}

function stopWord({ stopString }: GenerationResult): string {
  return stopString === undefined ? 'the model' : `the stop string ${JSON.stringify(stopString)}`;
}
