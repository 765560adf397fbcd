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
configure_package_config_file(cmake/libgrpoConfig.cmake.in libgrpoConfig.cmake
                              INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/libgrpo)
write_basic_package_version_file(libgrpoConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/libgrpoConfig.cmake" "${CMAKE_CURRENT_BINARY_DIR}/libgrpoConfigVersion.cmake"
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/libgrpo)
