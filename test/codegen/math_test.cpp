#include <gtest/gtest.h>

#include "test/codegen/harness.h"
