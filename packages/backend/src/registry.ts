import { BackendUnavailableError, InvalidArgumentError } from '@gateskip/errors';
import type { Availability, Backend, BackendRequest } from './contract.js';

/** Brings a backend in when it is first asked for, usually `async () => (await import('...')).someBackend`. */
export type BackendLoader = () => Promise<Backend>;

/** A backend that was not taken, and why. */
export interface PassedOver {
  readonly name: string;
  readonly reasons: readonly string[];
}

export interface BackendChoice {
  readonly backend: Backend;
  readonly availability: Availability;
  /** With `auto`: those that stand before it in the order and could not be used. */
  readonly passedOver: readonly PassedOver[];
}

export interface BackendRegistry {
  /** Order of registration is the order in which `auto` tries. @throws InvalidArgumentError for a name taken or malformed */
  register(name: string, loader: BackendLoader, options?: { readonly automatic?: boolean }): void;
  readonly names: readonly string[];
  /**
   * The backend of that name, or with `auto` the first that runs here and can do what the request asks.
   *
   * @throws InvalidArgumentError for an unknown name, BackendUnavailableError with the reasons of all that were tried
   */
  resolve(name: string, request?: BackendRequest): Promise<BackendChoice>;
  /** Why that backend cannot be used here for the request; empty = it can. Does not throw for an unavailable one. */
  explain(name: string, request?: BackendRequest): Promise<readonly string[]>;
}

interface Entry {
  readonly loader: BackendLoader;
  readonly automatic: boolean;
  loaded?: Promise<Backend>;
}

/** A registry without backends: an application registers those that it is willing to run. */
export function createBackendRegistry(): BackendRegistry {
  const entries = new Map<string, Entry>();

  const get = (name: string): Entry => {
    const entry = entries.get(name);
    if (entry === undefined)
      throw new InvalidArgumentError(`Backend "${name}" is not known.`, `Known: auto, ${[...entries.keys()].join(', ')}.`, { got: name });
    return entry;
  };

  const attempt = async (name: string, request: BackendRequest): Promise<{ backend: Backend; availability: Availability } | PassedOver> => {
    const entry = get(name);
    let backend: Backend;
    try {
      entry.loaded ??= entry.loader();
      backend = await entry.loaded;
    } catch (error) {
      delete entry.loaded; // so that a repaired installation is found
      return { name, reasons: [`It cannot be imported: ${error instanceof Error ? error.message : String(error)}`] };
    }
    const availability = await backend.probe();
    const cannotTrain = request.trainer !== undefined && backend.loadTrainer === undefined ? ['It cannot train.'] : [];
    const reasons = availability.available ? [...cannotTrain, ...(await backend.explain(request))] : availability.reasons;
    return reasons.length > 0 || !availability.available ? { name, reasons } : { backend, availability };
  };

  return {
    register(name, loader, options = {}) {
      if (!/^[a-z][a-z0-9-]{0,31}$/.test(name) || name === 'auto')
        throw new InvalidArgumentError(`"${name}" is not a name for a backend.`, 'Use a-z, 0-9 and -, not auto.');
      if (entries.has(name)) throw new InvalidArgumentError(`Backend "${name}" is already registered.`);
      entries.set(name, { loader, automatic: options.automatic ?? true });
    },

    get names() {
      return [...entries.keys()];
    },

    async resolve(name, request = {}) {
      const candidates = name === 'auto' ? [...entries].filter(([, { automatic }]) => automatic).map(([key]) => key) : [name];
      const passedOver: PassedOver[] = [];
      for (const candidate of candidates) {
        const outcome = await attempt(candidate, request);
        if ('backend' in outcome) return { ...outcome, passedOver };
        passedOver.push(outcome);
      }
      const reasons = passedOver.flatMap((passed) =>
        passed.reasons.map((reason) => (name === 'auto' ? `${passed.name}: ${reason}` : reason)),
      );
      throw new BackendUnavailableError(name, reasons.length > 0 ? reasons : ['no backend is registered for it']);
    },

    async explain(name, request = {}) {
      const outcome = await attempt(name, request);
      return 'backend' in outcome ? [] : outcome.reasons;
    },
  };
}
