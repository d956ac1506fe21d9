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
add_executable(understudy-agent agent/main.c agent/main_windows.c)
target_link_libraries(understudy-agent PRIVATE ud_agent)
add_executable(understudy-guard agent/guard/main_windows.c)
target_link_libraries(understudy-guard PRIVATE ud_guard)
