import type { Session } from './session.js';
import type { OpenModel } from './with-model.js';

/** What ran a request, for JSON. */
export function describeSession(session: Session): Record<string, unknown> {
  return { ...describeOpenModel(session), backendDetails: session.engine.runner.details };
}

/** The model, its gates and its backend, for JSON. No paths: documents are passed on. */
export function describeOpenModel({ reference, model, backend, chosen, passedOver }: OpenModel): Record<string, unknown> {
  return {
    backend: backend.name,
    backendsPassedOver: passedOver,
    model: { reference, name: model.config.name, fingerprint: model.fingerprint, sizeBytes: model.sizeBytes },
    adapter: chosen ? { name: chosen.adapter.name, origin: chosen.origin } : null,
  };
}
