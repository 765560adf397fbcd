# cmake --build build/dev --target docs makes the site in build/dev/docs/html, without a warning or not at all. Needs doxygen, and a
# Python with docs/requirements.txt: .venv's, or GRPO_DOCS_PYTHON.
if(GRPO_BUILD_APPS AND PROJECT_IS_TOP_LEVEL)
  set(GRPO_DOCS_PYTHON "${PROJECT_SOURCE_DIR}/.venv/bin/python" CACHE FILEPATH "Python with the packages of docs/requirements.txt")
  add_custom_target(docs COMMAND "${GRPO_DOCS_PYTHON}" "${PROJECT_SOURCE_DIR}/docs/build_site.py" "${PROJECT_SOURCE_DIR}"
                    "${PROJECT_BINARY_DIR}/docs" $<TARGET_FILE:grpo_inspect> ${PROJECT_VERSION} USES_TERMINAL VERBATIM)
endif()
