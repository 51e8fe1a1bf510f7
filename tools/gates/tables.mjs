import { compared, isAtSaving, readingAt } from '../quality/metrics.mjs';
import { differenceOf, markdownTable, ownAnswers, percent } from '../quality/tables.mjs';

/** What was measured, with what, and what is missing. @param {any} summary @param {import('../quality/metrics.mjs').View} view */
export function conditions(summary, view) {
  const { model, machine, texts, data, points, settings, created, absent, unmeasured } = summary;
  const reached = points.filter((/** @type {any} */ { unreached }) => !unreached);
  const count = (/** @type {string} */ part) => reached.filter((/** @type {any} */ point) => point[part]).length;
  const details = Object.entries(machine.backend.details).map(([name, value]) => `${name} ${value}`);
  const items = Object.entries(data).map(([name, { items: own, records }]) => `${name} ${own} of ${records}`);
  const refused = points.filter((/** @type {any} */ { unreached }) => unreached);
  const missing = absent.map((/** @type {any} */ { name, missing: savings }) =>
    savings.includes('any') ? name : `${name} at ${savings.join(', ')} %`,
  );
  return [
    `- Points (curve and saving): ${reached.length}, with text ${count('agreement')}, own answers ${count('own')}, tasks ${count('tasks')}, speed ${count('speed')}. Ours: ${view.ours}.`,
    `- Model ${model.name}, fingerprint \`${model.fingerprint.slice(0, 16)}\`; ${created?.slice(0, 10)}.`,
    `- Machine: ${machine.cpu}, backend ${machine.backend.name} (${details.join(', ')}), Node ${machine.node}.`,
    texts.text &&
      `- Text: ${texts.text.tokens} tokens of ${texts.text.source}, ${texts.text.tokens / settings.text.window} windows of ${settings.text.window} evenly spread over it; perplexity with a stride of ${texts.text.stride}.`,
    texts.own && `- Own answers: ${ownAnswers(texts.own)}; no adapter was trained on these prompts.`,
    items.length > 0 && `- Items: ${items.join(', ')} (records in the data half used), zero-shot, no chat template.`,
    missing.length > 0 && `- **Left out, as there is no adapter file**: ${missing.join('; ')}.`,
    unmeasured.length > 0 && `- **Not measured yet**: ${unmeasured.join(', ')}.`,
    refused.length > 0 &&
      `- Out of reach: ${refused.map((/** @type {any} */ { policy, target, reason }) => `${policy} at ${percent(target)}${reason ? ` (${reason})` : ''}`).join(', ')}.`,
  ]
    .filter(Boolean)
    .join('\n');
}

/** Where each adapter comes from and what it changes. @param {any} summary */
export function adaptersTable({ curves, adapters }) {
  const about = Object.fromEntries(curves.map((/** @type {any} */ { name, about: words }) => [name, words]));
  const names = curves.map((/** @type {any} */ { name }) => name);
  const firstOf = (/** @type {any} */ { curves: own }) => names.findIndex((/** @type {string} */ name) => name in own);
  const sorted = adapters.toSorted((/** @type {any} */ a, /** @type {any} */ b) => firstOf(a) - firstOf(b));
  const rows = sorted.flatMap((/** @type {any} */ adapter) => {
    const { provenance, gates, lora, norms, kv } = adapter;
    const changes = [lora && `LoRA rank ${lora.rank} on ${lora.matrices} matrices a layer`, norms > 0 && `${norms} norms`].filter(Boolean);
    return Object.entries(adapter.curves).map(([name, savings], index) => [
      name,
      /** @type {number[]} */ (savings).map(percent).join(', '),
      about[name] ?? '',
      ...(index > 0
        ? ['as above', '', '', '']
        : [
            `${gates.variant} gates${gates.multiplies ? ' that multiply' : ''}${adapter.hasStandIns ? ', stand-ins' : ''}; kv ${kv}`,
            changes.join(', ') || 'nothing',
            `${provenance.method}: ${provenance.data} (${provenance.license})`,
            `\`${adapter.sha256.slice(0, 12)}\``,
          ]),
    ]);
  });
  return markdownTable(['curve', 'saved', 'what', 'gates', 'changes in the model', 'made of', 'file'], rows);
}

/** Ours against each other curve at each saving: who beats whom. @param {any} summary @param {import('../quality/metrics.mjs').View} view */
export function duelTables(summary, view) {
  const savings = view.savings;
  const wanted = ['kl', 'own', 'meanOfTasks'];
  return view
    .metricsOf(summary)
    .filter(({ name }) => wanted.includes(name))
    .map((metric) => {
      const show = differenceOf(metric);
      const tally = { ours: 0, open: 0, theirs: 0 };
      const rows = view.names.flatMap((policy) => {
        if (policy === view.ours) return [];
        const cells = savings.map((target) => {
          const [theirs, ours] = [policy, view.ours].map((name) => readingAt(summary, metric, name, target));
          if (!theirs || !ours) return '';
          const { paired, verdict } = compared(summary, metric, target, { policy, ...theirs }, ours);
          if (!paired) return 'not tested';
          if (!isAtSaving(theirs, target)) return `saves ${percent(theirs.saved)}`;
          if (view.usable.includes(policy))
            tally[verdict === 'ours is better' ? 'ours' : verdict === 'the baseline is better' ? 'theirs' : 'open'] += 1;
          const text = `${show(paired.difference)} (${show(paired.low)} .. ${show(paired.high)})`;
          return verdict === 'ours is better'
            ? `**${text}**`
            : verdict === 'the baseline is better' && view.usable.includes(policy)
              ? `${text} **worse**`
              : text;
        });
        return cells.every((cell) => cell === '') ? [] : [[policy, ...cells]];
      });
      const all = tally.ours + tally.open + tally.theirs;
      const line = `${view.ours} is better at ${tally.ours} of ${all} points, worse at ${tally.theirs}, no clear difference at ${tally.open}.`;
      return `**${metric.title[0]?.toUpperCase()}${metric.title.slice(1)}**: ${line}\n\n${markdownTable(['minus ours (95 %)', ...savings.map(percent)], rows)}`;
    })
    .join('\n\n');
}

/** What one threshold saves in prompts and in answers, of the judged curve. @param {any} summary @param {import('./view.mjs').GatesView} view */
export function answersTable(summary, view) {
  const rows = summary.points
    .filter((/** @type {any} */ { policy, target, own }) => policy === view.judged && target > 0 && own?.savedOfAll !== undefined)
    .sort((/** @type {any} */ a, /** @type {any} */ b) => a.target - b.target)
    .map((/** @type {any} */ { target, own, ownPerplexity }) => [
      percent(target),
      percent(own.savedOfAll),
      percent(own.saved),
      own.kl.toFixed(3),
      ownPerplexity ? ownPerplexity.value.toFixed(2) : '',
    ]);
  if (rows.length === 0) return '';
  const dense = summary.dense.ownPerplexity?.value;
  return markdownTable(
    [
      'the ask saves on the text',
      'in the whole conversation',
      'in the answer',
      'KL of the answer',
      `its perplexity${dense ? ` (dense ${dense.toFixed(2)})` : ''}`,
    ],
    rows,
  );
}

/** @param {readonly import('./training-log.mjs').TrainingRun[]} training */
export function trainingTable(training) {
  const rows = training.map(({ name, recipe, tokens, seconds, looks }) => {
    const words = (/** @type {any} */ look) =>
      look ? look.points.map((/** @type {any} */ { saved, kl }) => `${percent(saved)}: ${kl.toFixed(3)}`).join(', ') : '';
    return [name, recipe, tokens.toLocaleString('en'), `${(seconds / 60).toFixed(0)} min`, words(looks[0]), words(looks.at(-1))];
  });
  if (rows.length === 0) return 'No run folder was at hand.';
  return markdownTable(['run', 'recipe', 'tokens', 'time in steps', 'KL at the start (saved: nats)', 'KL at the last look'], rows);
}
