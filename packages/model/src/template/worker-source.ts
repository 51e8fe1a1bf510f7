/**
 * What the template worker runs: a string, so that it is there in the sources, in the bundle and in a test alike.
 *
 * Answers `started` before it renders, so that the time limit counts rendering and not the start of a thread. The
 * interpreter walks a syntax tree over its own wrapped values; it reaches no JavaScript prototypes and evaluates nothing.
 */
export const workerSource = `
'use strict';
const { parentPort, workerData } = require('node:worker_threads');
const { Template } = require(workerData.jinja);
const compiled = new Map();
parentPort.on('message', ({ id, source, context, maxOutput }) => {
  parentPort.postMessage({ id, started: true });
  try {
    let template = compiled.get(source);
    if (!template) {
      template = new Template(source);
      if (compiled.size >= 4) compiled.delete(compiled.keys().next().value);
      compiled.set(source, template);
    }
    const text = template.render(JSON.parse(context));
    if (typeof text !== 'string') throw new Error('the template gave no text');
    if (text.length > maxOutput) parentPort.postMessage({ id, error: 'it printed ' + text.length + ' characters, at most ' + maxOutput + ' are allowed' });
    else parentPort.postMessage({ id, text });
  } catch (error) {
    parentPort.postMessage({ id, error: String(error && error.message || error).slice(0, 500) });
  }
});
`;
