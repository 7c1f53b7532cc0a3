#!/bin/sh
# Runs one command as a container's main process: shim.sh COMMAND [ARGUMENT...]
#   fd 1  its standard output     fd 4  its standard error     fd 3  takes "started", then its exit code, a line each     (all FIFOs, opened read-write)
#
# The kubelet may die and come back at any time. As the shim holds the FIFOs open, the command never gets SIGPIPE, and what it wrote last stays readable; as
# the shim waits for it, its exit code is known afterwards. After that the shim only holds the FIFOs until the kubelet, having read them, kills it.
#
# Signals to the process group are for the command. A trap (not '' = ignore, which a child would inherit) lets the shim outlive them.
trap : HUP INT QUIT TERM USR1 USR2 ALRM TSTP TTIN TTOU
# "started" comes from the command's own process, which has no trap any more: a signal before that would be lost, so the kubelet waits for it.
# A subshell, so that the shell's own word about a killed command ("Terminated") goes to fd 2, which is /dev/null, and not to the app's log.
(echo started >&3; exec "$@" 2>&4 3>&- 4>&-)
echo "$?" >&3
trap '' HUP INT QUIT TERM USR1 USR2 ALRM TSTP TTIN TTOU
PATH=/usr/bin:/bin:$PATH exec sleep 2147483647
