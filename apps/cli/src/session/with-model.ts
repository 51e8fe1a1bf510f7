import type { Backend, PassedOver } from '@gateskip/backend';
import type { Model, ResolvedModel } from '@gateskip/model';
import type { ModelProfile } from '@gateskip/train';
import type { ModelOptions } from '../options/model-options.js';
import type { Output } from '../output/output.js';
import { backendRegistry } from './backends.js';
import { type ChosenAdapter, chooseAdapter } from './choose-adapter.js';
import { chooseProfile } from './choose-profile.js';
import { openSource } from './open-source.js';

export interface ModelRequest {
  readonly reference: string;
  readonly options: ModelOptions;
  /** What asks for gates, in words; undefined where the command can do without. */
  readonly gatesNeeded?: string | undefined;
  /** Whether bundled gates are looked for. */
  readonly gatesWanted: boolean;
}

/** An open model with its gates, and the backend that will run it. */
export interface OpenModel {
  readonly reference: string;
  readonly resolved: ResolvedModel;
  readonly model: Model;
  readonly backend: Backend;
  readonly passedOver: readonly PassedOver[];
  readonly chosen: ChosenAdapter | undefined;
  readonly profile: ModelProfile | undefined;
  readonly openMs: number;
}

/** Opens a model, chooses gates and backend, and closes the model, whatever happens. */
export async function withModel<T>(request: ModelRequest, output: Output, use: (open: OpenModel) => Promise<T>): Promise<T> {
  const { reference, options } = request;
  const startedMs = performance.now();
  const { resolved, model } = await openSource(reference, options.offline, output);
  try {
    const openMs = performance.now() - startedMs;
    const { adapter: path, allowOtherWeights } = options;
    const chosen = await chooseAdapter(model, reference, {
      adapter: path,
      allowOtherWeights,
      needed: request.gatesNeeded,
      wanted: request.gatesWanted,
    });
    const profile = await chooseProfile(model, options.profile, allowOtherWeights);
    const registry = await backendRegistry();
    const { backend, passedOver } = await registry.resolve(options.backend, {
      config: model.config,
      ...(chosen && { adapter: chosen.adapter }),
    });
    for (const { name, reasons } of passedOver)
      output.warn(`backend ${name} cannot run here (${reasons.join('; ')}); ${backend.name} does, which may be slower`);
    return await use({ reference, resolved, model, backend, passedOver, chosen, profile, openMs });
  } finally {
    await model.close();
  }
}
