import { metricsOf, qualityView, readingAt, winnerOf } from './metrics.mjs';
import { curves, OURS, SAVINGS, VARIANT_SAVINGS, variants } from './policies.mjs';

export const percent = (/** @type {number} */ share) => `${(100 * share).toFixed(1).replace(/\.0$/, '')} %`;
/** Farther from the wanted saving than this, what was held is said. */
const FAR = 0.01;

/** @param {readonly string[]} head @param {readonly (readonly string[])[]} rows */
export function markdownTable(head, rows) {
  const line = (/** @type {readonly string[]} */ cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** @param {{ tokens: number, source: string, scoredFrom?: readonly number[] }} own reports before this one compared prompts too */
export function ownAnswers({ tokens, source, scoredFrom }) {
  const compared = scoredFrom && tokens - scoredFrom.reduce((sum, from) => sum + from, 0);
  return `${tokens} tokens, ${source}${compared === undefined ? '' : `, of which the ${compared} rows that predict the answers are compared`}`;
}

/** What was measured, and how much of what was planned. @param {any} summary */
export function conditions(summary) {
  const { model, adapter, machine, texts, data, points, settings, created } = summary;
  const names = curves.map(({ name }) => name);
  const planned = curves.length * SAVINGS.length;
  const count = (/** @type {(point: any) => unknown} */ has) =>
    points.filter((/** @type {any} */ point) => names.includes(point.policy) && has(point)).length;
  const done = [
    ['text', count(({ agreement }) => agreement), planned],
    ['own answers', count(({ own }) => own), planned],
    ['tasks', count(({ tasks }) => tasks), planned],
    ['speed', count(({ speed }) => speed), planned - SAVINGS.length],
  ].map(([what, have, of]) => `${what} ${have} of ${of}`);
  const isWhole = done.every((text) => text.split(' ').at(-3) === text.split(' ').at(-1));
  const unreached = points.filter((/** @type {any} */ point) => point.unreached && !point.agreement);
  const details = Object.entries(machine.backend.details).map(([name, value]) => `${name} ${value}`);
  const items = Object.entries(data).map(([name, { items: own, records }]) => `${name} ${own} of ${records}`);
  return [
    `- ${isWhole ? 'Complete' : '**Partial**'}: points measured (policy and budget): ${done.join(', ')}.`,
    `- Model ${model.name}, fingerprint \`${model.fingerprint.slice(0, 16)}\`, gates ${adapter?.name ?? 'none'}; ${created?.slice(0, 10)}.`,
    `- Machine: ${machine.cpu}, backend ${machine.backend.name} (${details.join(', ')}), Node ${machine.node}.`,
    texts.text &&
      `- Text: ${texts.text.tokens} tokens of ${texts.text.source}, ${texts.text.tokens / settings.text.window} windows of ${settings.text.window} evenly spread over it; perplexity with a stride of ${texts.text.stride}.`,
    texts.own && `- Own answers: ${ownAnswers(texts.own)}.`,
    items.length > 0 && `- Items: ${items.join(', ')} (records in the data half used), zero-shot, no chat template.`,
    unreached.length > 0 &&
      `- Out of reach: ${unreached.map((/** @type {any} */ { policy, target }) => `${policy} at ${percent(target)}`).join(', ')}.`,
  ]
    .filter(Boolean)
    .join('\n');
}

/** One table per metric: policies by savings. @param {any} summary @param {import('./metrics.mjs').View} [view] */
export function curveTables(summary, view = qualityView) {
  const { names, ours, savings } = view;
  return view
    .metricsOf(summary)
    .map((metric) => {
      const dense = metric.dense(summary);
      const rows = names.flatMap((name) => {
        const cells = savings.map((target) => cellOf(summary, metric, name, target, view));
        return cells.every((cell) => cell === '') ? [] : [[name === ours ? `**${name}** (ours)` : name, ...cells]];
      });
      const title = `**${metric.title[0]?.toUpperCase()}${metric.title.slice(1)}**${dense === undefined ? '' : ` (dense ${metric.show(dense)})`}`;
      return `${title}\n\n${markdownTable(['net MACs saved', ...savings.map(percent)], rows)}`;
    })
    .join('\n\n');
}

/**
 * @param {any} summary @param {import('./metrics.mjs').Metric} metric @param {string} policy @param {number} target
 * @param {import('./metrics.mjs').View} view
 */
function cellOf(summary, metric, policy, target, view) {
  const reading = readingAt(summary, metric, policy, target);
  if (!reading)
    return summary.points.some((/** @type {any} */ point) => point.policy === policy && point.target === target && point.unreached)
      ? 'out of reach'
      : '';
  const isBest = winnerOf(summary, metric, target, view);
  const best = isBest && [isBest.ours, isBest.best].sort((a, b) => (metric.lessIsBetter ? 1 : -1) * (a.value - b.value))[0]?.policy;
  const text = `${metric.show(reading.value)} ± ${metric.show(reading.error)}`;
  const held = Math.abs(reading.saved - target) > FAR ? ` (${percent(reading.saved)})` : '';
  return best === policy ? `**${text}**${held}` : `${text}${held}`;
}

/** Who is best where. @param {any} summary @param {import('./metrics.mjs').View} [view] */
export function winnersTable(summary, view = qualityView) {
  const rows = view.metricsOf(summary).flatMap((metric) =>
    view.savings.flatMap((target) => {
      const found = winnerOf(summary, metric, target, view);
      if (!found) return [];
      const { ours, best, paired, verdict, readings } = found;
      const show = differenceOf(metric);
      const difference = paired ? `${show(paired.difference)} (${show(paired.low)} .. ${show(paired.high)})` : '';
      return [
        [
          metric.title,
          percent(target),
          metric.show(ours.value),
          `${best.policy} ${metric.show(best.value)}`,
          difference,
          verdict,
          String(readings),
        ],
      ];
    }),
  );
  return markdownTable(['measure', 'saved', 'ours', 'best baseline', 'baseline minus ours (95 %)', 'verdict', 'policies measured'], rows);
}

/** Differences in words: of perplexities, by how much larger. @param {import('./metrics.mjs').Metric} metric */
export function differenceOf({ isLog = false, show }) {
  return (/** @type {number} */ value) => (isLog ? `${(100 * Math.expm1(value)).toFixed(0)} %` : show(value));
}

/** How fast each budget is, beside dense in the same minutes. @param {any} summary @param {import('./metrics.mjs').View} [view] */
export function speedTable(summary, { names, savings } = qualityView) {
  const ratio = (/** @type {any} */ { median, low, high }) => `${median.toFixed(2)} (${low.toFixed(2)}..${high.toFixed(2)})`;
  const rows = names.flatMap((name) =>
    savings.flatMap((target) => {
      const speed = summary.points.find((/** @type {any} */ point) => point.policy === name && point.target === target)?.speed;
      if (!speed?.decodeOverDense) return [];
      return [
        [
          name,
          percent(target),
          ratio(speed.decodeOverDense),
          percent(speed.decodeSaved),
          speed.decode.toFixed(0),
          ratio(speed.prefillOverDense),
          percent(speed.prefillSaved),
          speed.prefill.toFixed(0),
        ],
      ];
    }),
  );
  if (rows.length === 0) return 'Not measured yet.';
  return markdownTable(
    ['policy', 'asked', 'decode over dense', 'saved in decode', 'tokens/s', 'prefill over dense', 'saved in prefill', 'tokens/s'],
    rows,
  );
}

/** What single choices are worth. @param {any} summary */
export function variantsTable(summary) {
  const singles = variants.map(({ name }) => name);
  const own = summary.points.filter((/** @type {any} */ { policy }) => singles.includes(policy));
  const metrics = metricsOf(summary).filter(({ isText, read }) => isText && own.some((/** @type {any} */ point) => read(point)));
  const names = [OURS, 'static-influence', 'static-kl', 'oracle', ...singles];
  const rows = [...VARIANT_SAVINGS].flatMap((target) =>
    names.flatMap((name) => {
      const point = summary.points.find((/** @type {any} */ { policy, target: wanted }) => policy === name && wanted === target);
      const readings = metrics.map((metric) => point && metric.read(point));
      if (readings.every((reading) => reading === undefined)) return [];
      return [
        [
          name,
          percent(target),
          percent(readings[0]?.saved ?? 0),
          ...metrics.map((metric, index) =>
            readings[index] ? `${metric.show(readings[index].value)} ± ${metric.show(readings[index].error)}` : '',
          ),
        ],
      ];
    }),
  );
  return markdownTable(['policy', 'wanted', 'saved', ...metrics.map(({ title }) => title)], rows);
}

/** What removing each branch for all tokens costs, the dearest first, from the profile. @param {any} summary */
export function profileTable({ profile }) {
  if (!profile) return 'Not measured yet.';
  const branches = profile.removalKl.map((/** @type {number} */ kl, /** @type {number} */ branch) => ({
    name: `${branch % 2 === 0 ? 'attention' : 'MLP'} ${Math.floor(branch / 2)}`,
    kind: branch % 2,
    kl,
  }));
  const sorted = branches.toSorted((/** @type {any} */ a, /** @type {any} */ b) => b.kl - a.kl);
  const dear = sorted.slice(0, 6);
  const rest = sorted.slice(6);
  const range = (/** @type {number} */ kind) => {
    const own = rest.filter((/** @type {any} */ branch) => branch.kind === kind).map((/** @type {any} */ { kl }) => kl);
    return `${Math.min(...own).toFixed(2)} to ${Math.max(...own).toFixed(2)}`;
  };
  const influence = profile.blockInfluence
    .map((/** @type {number} */ value, /** @type {number} */ layer) => ({ value, layer }))
    .toSorted((/** @type {any} */ a, /** @type {any} */ b) => a.value - b.value)
    .slice(0, 5);
  return [
    markdownTable(
      ['branch removed for all tokens', 'KL'],
      [
        ...dear.map((/** @type {any} */ { name, kl }) => [name, kl.toFixed(2)]),
        ['the other attentions', range(0)],
        ['the other MLPs', range(1)],
      ],
    ),
    `Layers of least block influence: ${influence.map((/** @type {any} */ { layer, value }) => `${layer} (${value.toFixed(3)})`).join(', ')}.`,
  ].join('\n\n');
}
