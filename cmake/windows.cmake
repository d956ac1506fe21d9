# SPDX-License-Identifier: Apache-2.0
# The agent for Windows, from Linux:
#   cmake -B build/windows -G Ninja -DCMAKE_TOOLCHAIN_FILE=deploy/windows/toolchain.cmake \
#         -DCMAKE_PREFIX_PATH=$(deploy/windows/build-libraries)
# Its core is that of every agent; there are no server, no KVM and no replication of our own: Hyper-V has one.
# All libraries are inside the programs.
find_package(OpenSSL REQUIRED)
find_package(CURL REQUIRED)
find_package(jansson REQUIRED)
find_package(Threads REQUIRED)
find_library(SQLITE sqlite3 REQUIRED)
add_compile_definitions(CURL_STATICLIB WIN32_LEAN_AND_MEAN _WIN32_WINNT=0x0A00 UNICODE)
# no run-time library besides, and nothing loaded from where the program was started
add_link_options(-static -Wl,--dynamicbase,--nxcompat,--high-entropy-va)

# The server's own: passwords, one-time codes, what is uploaded.
ud_library(base base SKIP base/password base/totp base/spool DEPS
	jansson::jansson CURL::libcurl OpenSSL::SSL OpenSSL::Crypto ws2_32 crypt32 bcrypt Threads::Threads)
ud_library(engine db/engine SKIP db/engine/backup db/engine/copy_ db/engine/database db/engine/health db/engine/history
	db/engine/migrate db/engine/pg_wire db/engine/postgresql db/engine/watch DEPS ud_base ${SQLITE})
ud_library(guard agent/guard SKIP agent/guard/main_ DEPS ud_base)
ud_library(agent agent SKIP agent/main agent/drivers/ agent/guard/ agent/replication/ DEPS ud_engine ud_guard)
ud_library(driver_hyperv agent/drivers/hyperv DEPS ud_agent)
file(GLOB hyperv_scripts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/agent/drivers/hyperv/*.ps1
	${CMAKE_SOURCE_DIR}/agent/drivers/hyperv/names.txt)
ud_embed(ud_driver_hyperv ud_hyperv_scripts ${hyperv_scripts})
add_executable(understudy-agent agent/main.c agent/main_windows.c agent/main_drivers_windows.c)
target_link_libraries(understudy-agent PRIVATE ud_agent ud_driver_hyperv)
add_executable(understudy-guard agent/guard/main_windows.c)
target_link_libraries(understudy-guard PRIVATE ud_guard)

# Programs that tests/agent/wine_test.sh runs: tests of the parts that both systems share, and of what is Windows' own.
if(NOT EXISTS ${CMAKE_SOURCE_DIR}/tests/wine)
	return()
endif()
find_library(CMOCKA cmocka-static REQUIRED)
find_path(CMOCKA_INCLUDE cmocka.h REQUIRED)
file(GLOB support CONFIGURE_DEPENDS tests/wine/*_windows.c)
add_library(ud_test_support STATIC ${support} tests/support/scripted.c tests/support/scripted_replication.c
	tests/support/scripted_slots.c)
target_link_libraries(ud_test_support PUBLIC ud_agent ${CMOCKA})
target_include_directories(ud_test_support PUBLIC tests ${CMOCKA_INCLUDE})
target_compile_definitions(ud_test_support PUBLIC UD_SOURCE_DIR="${CMAKE_SOURCE_DIR}" SIGKILL=9)
# cmocka's own print functions are told to be as limited as those of Windows
target_compile_options(ud_test_support PUBLIC -Wno-format -Wno-format-extra-args)
add_executable(child tests/wine/child.c)
target_link_libraries(child PRIVATE ud_base)
# the agent's own program, but with a hypervisor in memory
add_executable(scripted-agent agent/main.c agent/main_windows.c tests/wine/scripted_host.c)
target_link_libraries(scripted-agent PRIVATE ud_test_support)
file(GLOB own CONFIGURE_DEPENDS tests/wine/*_test.c)
set(shared agent/lease)
foreach(name buf calendar crypto evidence id ip json options replication_shapes rules shape sign time x509)
	list(APPEND shared unit/${name})
endforeach()
list(TRANSFORM shared REPLACE "(.+)" "tests/\\1_test.c")
foreach(source IN LISTS own shared)
	get_filename_component(name ${source} NAME_WE)
	add_executable(${name} ${source})
	target_link_libraries(${name} PRIVATE ud_test_support)
endforeach()
