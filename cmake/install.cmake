# cmake --install build/release --prefix P; afterwards find_package(libgrpo) offers grpo::core and grpo::grpo.
# Two export sets, so that a project that wants grpo::core alone need not have torch.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# Debian compiles toml++ into a shared library: who links the installed archive must link that too.
target_link_libraries(grpo_core PRIVATE $<INSTALL_INTERFACE:tomlplusplus::tomlplusplus>)

install(TARGETS grpo_core EXPORT libgrpoCoreTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS grpo_grpo EXPORT libgrpoTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY libgrpo/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/libgrpo FILES_MATCHING PATTERN "*.hpp"
        PATTERN "precompiled.hpp" EXCLUDE)
install(EXPORT libgrpoCoreTargets NAMESPACE grpo:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/libgrpo)
install(EXPORT libgrpoTargets NAMESPACE grpo:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/libgrpo)
# Where libtorch and Arrow lie is this machine's own: libgrpoConfig.cmake says it, so that another machine can say otherwise.
if(GRPO_ARROW_LIBRARIES)
  list(GET GRPO_ARROW_LIBRARIES 0 arrow_folder)
  get_filename_component(arrow_folder "${arrow_folder}" DIRECTORY)
endif()
install(CODE "
  foreach(file libgrpoCoreTargets.cmake libgrpoTargets.cmake)
    set(file \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/cmake/libgrpo/\${file}\")
    file(READ \"\${file}\" text)
    string(REPLACE [[${TORCH_INSTALL_PREFIX}/lib/]] [[\${TORCH_INSTALL_PREFIX}/lib/]] text \"\${text}\")
    if(NOT [[${arrow_folder}]] STREQUAL \"\")
      string(REPLACE [[${arrow_folder}]] [[\${GRPO_ARROW_ROOT}]] text \"\${text}\")
    endif()
    file(WRITE \"\${file}\" \"\${text}\")
  endforeach()")
configure_package_config_file(cmake/libgrpoConfig.cmake.in libgrpoConfig.cmake
                              INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/libgrpo)
write_basic_package_version_file(libgrpoConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/libgrpoConfig.cmake" "${CMAKE_CURRENT_BINARY_DIR}/libgrpoConfigVersion.cmake"
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/libgrpo)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright)
install(FILES docs/dependencies.md docs/changelog.md DESTINATION ${CMAKE_INSTALL_DOCDIR})

# The programs look for libtorch where it was when they were built, then where LD_LIBRARY_PATH says.
if(GRPO_BUILD_APPS)
  get_property(apps DIRECTORY apps PROPERTY BUILDSYSTEM_TARGETS)
  set_target_properties(${apps} PROPERTIES INSTALL_RPATH "${TORCH_INSTALL_PREFIX}/lib")
  install(TARGETS ${apps} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
if(PROJECT_IS_TOP_LEVEL)
  include(package)
endif()
