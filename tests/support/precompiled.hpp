#pragma once

#include <ATen/ATen.h>
#include <catch2/catch.hpp>
