/**
 * Who may import whom, by folder name. Imports point inward only:
 * apps -> engine, train, evaluate, observe -> backend, scheduler, model, quantize, prune -> gate -> errors.
 *
 * @type {Record<string, readonly string[]>}
 */
export const layers = {
  errors: [],
  gate: ['errors'],
  scheduler: ['errors', 'gate'],
  model: ['errors', 'gate'],
  quantize: ['errors', 'gate', 'model'],
  prune: ['errors', 'gate', 'model'],
  backend: ['errors', 'gate', 'model'],
  engine: ['errors', 'gate', 'scheduler', 'model', 'quantize', 'prune', 'backend'],
  observe: ['errors', 'gate', 'scheduler', 'model', 'backend'],
  train: ['errors', 'gate', 'scheduler', 'model', 'quantize', 'prune', 'backend', 'engine'],
  evaluate: ['errors', 'gate', 'scheduler', 'model', 'quantize', 'prune', 'backend', 'engine'],
};

/**
 * Families of packages that share one rule, by the start of their folder name.
 *
 * @type {Record<string, readonly string[]>}
 */
export const families = {
  'backend-': ['errors', 'gate', 'model', 'backend'],
  'adapter-': [],
  'gates-': [],
};

/**
 * The folders that a package may import from: `undefined` when it stands nowhere in the table, `'everything'` for an app.
 *
 * @param {'packages' | 'apps'} kind
 * @param {string} folderName
 * @returns {readonly string[] | 'everything' | undefined}
 */
export function allowedImports(kind, folderName) {
  if (kind === 'apps') return 'everything';
  const family = Object.keys(families).find((prefix) => folderName.startsWith(prefix));
  return layers[folderName] ?? (family === undefined ? undefined : families[family]);
}
