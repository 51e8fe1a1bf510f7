// An OpenAI completions endpoint over the engine, for lm-evaluation-harness: log-probabilities only, nothing is written.
//
//   node tools/peers/lm-eval/endpoint.mjs MODEL [--port 8017] [--threads N] [--budget net=85%] [--policy NAME] [--adapter FILE]
//
// POST /v1/completions with `echo`, `logprobs` and `max_tokens` 0 or 1; GET /tokenizer_info, POST /tokenize and /detokenize
// as vLLM has them, for the harness's `tokenizer_backend=remote`. It listens on this machine only.
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { scoreSequence } from './score-sequence.mjs';

const MAX_BODY_BYTES = 8 * 1024 * 1024;
const MAX_PROMPTS = 256;

class RequestError extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * @typedef {{ model: string, port?: number, threads?: number, budget?: string, policy?: string, adapter?: string }} EndpointOptions
 * @param {EndpointOptions} options
 */
export async function startEndpoint(options) {
  const { model, runner, policy, densePlan } = await loadRunner(options);
  const { tokenizer } = model;
  if (!tokenizer) throw new Error(`Model "${model.config.name}" has no tokenizer.`);
  const counts = { prompts: 0, tokens: 0 };
  // A runner takes one step at a time.
  let turn = Promise.resolve();
  /** @param {readonly number[]} tokens */
  const score = (tokens) => {
    counts.prompts++;
    counts.tokens += tokens.length;
    const result = turn.then(() => scoreSequence(runner, policy, densePlan, tokens));
    turn = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  };
  /** @type {Record<string, (body: any) => Promise<object> | object>} */
  const routes = {
    'GET /tokenizer_info': () => ({
      eos_token: nameOf(tokenizer, tokenizer.endToken),
      bos_token: tokenizer.addBegin ? nameOf(tokenizer, tokenizer.beginToken) : null,
    }),
    'POST /tokenize': ({ prompt }) => {
      if (typeof prompt !== 'string') throw new RequestError(400, '"prompt" is no text.');
      return { tokens: [...tokenizer.encode(prompt, { special: true, addBegin: false })], max_model_len: model.config.contextLength };
    },
    'POST /detokenize': ({ tokens }) => ({ prompt: tokenizer.decode(readTokens(tokens, model.config)) }),
    'POST /v1/completions': (body) => complete(body, model, score),
  };
  const server = createServer(async (request, response) => {
    let status = 200;
    /** @type {object} */
    let answer;
    try {
      const route = routes[`${request.method} ${request.url}`];
      if (!route) throw new RequestError(404, `There is no ${request.method} ${request.url}.`);
      answer = await route(request.method === 'POST' ? await readBody(request) : {});
    } catch (error) {
      status = error instanceof RequestError ? error.status : 500;
      answer = { error: { message: /** @type {Error} */ (error).message } };
    }
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', () => resolve(undefined));
  });
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${port}/v1/completions`,
    name: model.config.name,
    contextLength: model.config.contextLength,
    details: runner.details,
    counts,
    async close() {
      await new Promise((resolve) => {
        server.close(() => resolve(undefined));
        server.closeAllConnections();
      });
      await turn;
      await runner.close();
      await model.close();
    },
  };
}

/** @param {EndpointOptions} options */
async function loadRunner({ model: reference, threads, budget, policy: policyName, adapter: adapterPath }) {
  const [{ loadModel, readAdapter, assertAdapterFits }, { cpuBackend }, { branchCount, densePlan, standInMacs }, scheduler] =
    await Promise.all([
      import('../../../packages/model/dist/index.js'),
      import('../../../packages/backend-cpu/dist/index.js'),
      import('../../../packages/gate/dist/index.js'),
      import('../../../packages/scheduler/dist/index.js'),
    ]);
  const model = await loadModel(reference);
  let adapter;
  if (budget !== undefined) {
    adapter = await readAdapter(adapterPath ?? (await bundledAdapter(model)));
    assertAdapterFits(adapter, model);
  }
  const runner = await cpuBackend.load(model, { ...(threads !== undefined && { threads }), ...(adapter && { adapter }) });
  const policy =
    budget === undefined
      ? undefined
      : scheduler.createPolicy(policyName ?? scheduler.defaultPolicyName, {
          shape: model.config,
          budget: scheduler.parseBudget(budget),
          gates: adapter.gates.spec,
          standInMacs: standInMacs(adapter.gates),
          ...(adapter.calibration && { calibration: adapter.calibration }),
        });
  return { model, runner, policy, densePlan: densePlan(branchCount(model.config)) };
}

/** @param {{ fingerprint: string, config: { name: string } }} model */
async function bundledAdapter(model) {
  const bundled = await import('../../../packages/adapter-smollm2-135m-instruct/dist/index.js');
  if (bundled.modelFingerprint === model.fingerprint) return bundled.adapterPath;
  throw new Error(`No gates come along for ${model.config.name}: give --adapter FILE.`);
}

/** @param {any} body @param {any} model @param {(tokens: readonly number[]) => ReturnType<typeof scoreSequence>} score */
async function complete(body, model, score) {
  const { prompt, max_tokens: maxTokens = 1, echo = false, logprobs } = body;
  if (maxTokens !== 0 && maxTokens !== 1) throw new RequestError(400, `"max_tokens" is ${maxTokens}: only 0 and 1 are served.`);
  if (echo !== true || !(Number.isInteger(logprobs) && logprobs >= 0 && logprobs <= 1))
    throw new RequestError(400, 'Only prompts with "echo": true and "logprobs": 0 or 1 are served.');
  const isOne = typeof prompt === 'string' || (Array.isArray(prompt) && typeof prompt[0] === 'number');
  const prompts = isOne ? [prompt] : prompt;
  if (!Array.isArray(prompts) || prompts.length === 0 || prompts.length > MAX_PROMPTS)
    throw new RequestError(400, `"prompt" must be a text, a list of token ids, or a list of 1 to ${MAX_PROMPTS} of either.`);
  const texts = prompts.map((one) =>
    typeof one === 'string' ? [...model.tokenizer.encode(one, { special: true })] : readTokens(one, model.config),
  );
  const choices = [];
  let used = 0;
  for (const [index, tokens] of texts.entries()) {
    const { logprobs: own, top } = await score(tokens);
    const last = top[tokens.length - 1];
    const shown = maxTokens === 1 ? [...tokens, last.token] : tokens;
    const values = maxTokens === 1 ? [...own, last.logprob] : own;
    const names = shown.map((token) => nameOf(model.tokenizer, token));
    /** @type {(Record<string, number> | null)[]} */
    const tops = values.map((value, at) => {
      if (value === null) return null;
      const best = top[at - 1];
      // The chosen token is always there, as in OpenAI's answers.
      return { [names[at]]: value, ...(logprobs > 0 && { [nameOf(model.tokenizer, best.token)]: best.logprob }) };
    });
    used += shown.length;
    choices.push({
      index,
      text: names.join(''),
      finish_reason: 'length',
      logprobs: { tokens: names, token_logprobs: values, top_logprobs: tops },
    });
  }
  return { object: 'text_completion', model: model.config.name, choices, usage: { total_tokens: used } };
}

/** @param {any} tokenizer @param {number | undefined} token */
const nameOf = (tokenizer, token) => (token === undefined ? null : tokenizer.decode([token], { skipSpecial: false }));

/** @param {unknown} tokens @param {{ vocabularySize: number, contextLength: number }} config @returns {number[]} */
function readTokens(tokens, { vocabularySize, contextLength }) {
  if (!Array.isArray(tokens) || tokens.length === 0) throw new RequestError(400, 'A prompt holds no tokens.');
  if (tokens.length > contextLength)
    throw new RequestError(400, `A prompt has ${tokens.length} tokens, the context holds ${contextLength}: shorten it.`);
  if (!tokens.every((token) => Number.isInteger(token) && token >= 0 && token < vocabularySize))
    throw new RequestError(400, `Token ids must be whole numbers from 0 to ${vocabularySize - 1}.`);
  return tokens;
}

/** @param {import('node:http').IncomingMessage} request */
async function readBody(request) {
  const parts = [];
  let bytes = 0;
  for await (const part of request) {
    bytes += part.length;
    if (bytes > MAX_BODY_BYTES) throw new RequestError(413, `More than ${MAX_BODY_BYTES} bytes in one request.`);
    parts.push(part);
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString('utf8'));
  } catch (error) {
    throw new RequestError(400, `The request is no JSON: ${/** @type {Error} */ (error).message}`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = { type: /** @type {const} */ ('string') };
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { port: text, threads: text, budget: text, policy: text, adapter: text },
  });
  const [model] = positionals;
  if (model === undefined) {
    console.error('node tools/peers/lm-eval/endpoint.mjs MODEL [--port N] [--threads N] [--budget B] [--policy NAME] [--adapter FILE]');
    process.exit(2);
  }
  const { port, threads, ...others } = values;
  const endpoint = await startEndpoint({ ...others, model, port: Number(port ?? 8017), ...(threads && { threads: Number(threads) }) });
  console.log(`${endpoint.name} at ${endpoint.url}`);
  const stop = async () => {
    await endpoint.close();
    process.exit(0);
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
}
