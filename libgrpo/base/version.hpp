/// The version, in its one place: CMake reads it here, and programs, packages and `find_package(libgrpo 0.1)` have it from CMake.
///
/// Semantic versioning (semver.org, 2.0.0). Before 1.0 a new minor version may change interfaces, a new patch does not; the
/// changelog is docs/changelog.md.
#pragma once

#define LIBGRPO_VERSION_MAJOR 0
#define LIBGRPO_VERSION_MINOR 1
#define LIBGRPO_VERSION_PATCH 0
#define LIBGRPO_VERSION "0.1.0"
