import type { EvaluationResults, RunResult } from '../run/results.js';
import { figure, metricText, percent } from './format.js';

/** A table of texts: header, rows, and which columns are numbers. */
export interface ReportTable {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** One row a run: what was asked and held, every task's first metric with its error, texts and speed. */
export function resultsTable(results: EvaluationResults): ReportTable {
  const { runs, data, texts } = results;
  const tasks = Object.entries(data).filter(([, { metrics }]) => metrics.length > 0);
  const hasSpeed = runs.some(({ speed }) => speed !== null);
  const header = [
    'run',
    'skipped',
    'net MACs',
    ...tasks.map(([name, { metrics }]) => `${name} ${metrics[0]}`),
    ...(texts.perplexity ? ['perplexity'] : []),
    ...(texts.agreement ? ['KL', 'top-1', 'top-5'] : []),
    ...(hasSpeed ? ['prefill, tokens/s', 'decode, tokens/s'] : []),
  ];
  return { header, rows: runs.map((run) => rowOf(run, tasks, results, hasSpeed)) };
}

function rowOf(
  run: RunResult,
  tasks: readonly (readonly [string, { readonly metrics: readonly string[] }])[],
  { texts }: EvaluationResults,
  hasSpeed: boolean,
): string[] {
  const { perplexity, agreement, speed } = run;
  const row = [run.label, percent(run.held.skip), percent(run.held.net)];
  for (const [name, { metrics }] of tasks) {
    const metric = metrics[0] as string;
    const task = run.tasks[name];
    row.push(
      task ? `${metricText(metric, task.metrics[metric] as number)} ± ${metricText(metric, task.standardErrors[metric] as number)}` : '',
    );
  }
  if (texts.perplexity) row.push(perplexity ? `${figure(perplexity.perToken)} ± ${figure(perplexity.standardError)}` : '');
  if (texts.agreement)
    row.push(
      ...(agreement
        ? [`${agreement.kl.toFixed(3)} ± ${agreement.standardErrors.kl.toFixed(3)}`, percent(agreement.top1), percent(agreement.top5)]
        : ['', '', '']),
    );
  if (hasSpeed)
    row.push(
      ...(speed
        ? [
            `${figure(speed.prefill.median)}${times(speed.prefillOverDense?.median)}`,
            `${figure(speed.decode.median)}${times(speed.decodeOverDense?.median)}`,
          ]
        : ['', '']),
    );
  return row;
}

const times = (over: number | undefined): string => (over === undefined ? '' : ` (${over.toFixed(2)}x)`);

/** One row per run, task and metric, with the difference from dense. */
export function detailsTable({ runs, data }: EvaluationResults): ReportTable {
  const rows = runs.flatMap((run) =>
    Object.entries(run.tasks).flatMap(([name, task]) =>
      (data[name]?.metrics ?? []).map((metric) => {
        const paired = task.pairedAgainstDense?.[metric];
        const number = (value: number): string => metricText(metric, value);
        return [
          run.label,
          name,
          metric,
          String(task.items),
          `${number(task.metrics[metric] as number)} ± ${number(task.standardErrors[metric] as number)}`,
          paired ? `${number(paired.difference)} (${number(paired.low)} to ${number(paired.high)})` : '',
          percent(task.held.net),
        ];
      }),
    ),
  );
  return { header: ['run', 'task', 'metric', 'items', 'value', 'minus dense (95 %)', 'net MACs'], rows };
}
