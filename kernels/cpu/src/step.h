// One step of the model under its plans.
#pragma once
#include "runner.h"

namespace gateskip {

// Appends rows to the sequences' layers but leaves their lengths: the runner commits or rolls back.
void runStep(Runner& runner, const StepRequest& request);

}  // namespace gateskip
