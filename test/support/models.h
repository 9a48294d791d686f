// Models written by hand, for the tests of the runtime.
#pragma once

#include "runtime/abi/vmodel_abi.h"

namespace vmodel::test {

/// Noncentered; families mean_field, full_rank and Plain (fake_model.h), as all of these.
const vmodel_model& eight_schools();
/// With theta itself as coordinates: the density is not bounded.
const vmodel_model& centred_eight_schools();
/// One data field of every kind.
const vmodel_model& kitchen();

} // namespace vmodel::test
