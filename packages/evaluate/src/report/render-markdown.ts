import { describeIsolation } from '../execution/isolation.js';
import type { ComparedRuns } from '../run/compare-results.js';
import type { EvaluationResults } from '../run/results.js';
import { cell, figure, metricText, percent } from './format.js';
import { detailsTable, type ReportTable, resultsTable } from './rows.js';

/** The results as Markdown. */
export function renderMarkdown(results: EvaluationResults): string {
  const { model, backend, adapter, data, texts, seed, unreached, versions } = results;
  const lines = [
    `# ${cell(model.name)}`,
    '',
    `Backend ${backend.name}${adapter ? `, gates ${cell(adapter.name)}` : ''}, seed ${seed}${Object.entries(versions)
      .map(([name, version]) => `, ${name} ${version}`)
      .join('')}.`,
    'Shares in per cent, ± standard error.',
    '',
    table(resultsTable(results)),
  ];
  if (Object.keys(data).length > 0) lines.push(table(detailsTable(results)));
  for (const [name, { source, items, records, fewShot, chat, unscored, execution }] of Object.entries(data)) {
    lines.push(`- ${name}: ${items} of ${records} items, ${fewShot} examples${chat ? ', chat template' : ''}; ${cell(source)}`);
    if (unscored) lines.push(`- ${name} has no ${unscored.metrics.join(', ')}: ${unscored.reason}`);
    if (execution) lines.push(`- ${name}: programs ran ${describeIsolation(execution)}`);
  }
  for (const [what, text] of Object.entries(texts))
    if (text)
      lines.push(
        `- ${what}: ${text.tokens} of ${text.allTokens} tokens, window ${text.window}, stride ${text.stride}; ${cell(text.source)}`,
      );
  for (const { perplexity, label } of results.runs)
    if (perplexity)
      lines.push(
        `- ${cell(label)}: perplexity ${figure(perplexity.perToken)} per token, ${figure(perplexity.perWord)} per word, ${figure(perplexity.perByte)} per byte (${perplexity.bitsPerByte.toFixed(3)} bits)`,
      );
  for (const { label, reason } of unreached) lines.push(`- ${cell(label)} is out of reach: ${cell(reason)}`);
  return `${lines.join('\n')}\n`;
}

/** Paired differences as Markdown. */
export function renderComparison(compared: readonly ComparedRuns[]): string {
  return compared
    .map(({ a, b, metrics }) => {
      const rows = metrics.map(({ task, metric, a: first, b: second, paired, sameChoice }) => {
        const text = (value: number): string => (task === 'perplexity' ? value.toFixed(4) : metricText(metric, value));
        return [
          task,
          metric,
          String(paired.items),
          text(first),
          text(second),
          `${text(paired.difference)} (${text(paired.low)} to ${text(paired.high)})`,
          sameChoice === undefined ? '' : percent(sameChoice),
        ];
      });
      return `${cell(a)} minus ${cell(b)}\n\n${table({ header: ['task', 'metric', 'items', 'first', 'second', 'difference (95 %)', 'same choice'], rows })}`;
    })
    .join('\n');
}

function table({ header, rows }: ReportTable): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  return `${[line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n')}\n`;
}
