//! One attack at a time. `Ok` means that it worked.

mod files;
mod kernel;
mod network;

use std::error::Error;

use crate::Outcome;

fn blocked<T>(why: impl Into<String>) -> Result<T, Box<dyn Error>> {
    Err(why.into().into())
}

pub fn run(name: &str, rest: &[&str]) -> Outcome {
    match (name, rest) {
        ("read", [path, marker]) => files::read(path, marker),
        ("list", [path]) => files::list(path),
        ("create", [folder]) => files::create(folder),
        ("open-write", [path]) => files::open_write(path),
        ("symlink", [target, marker]) => files::symlink(target, marker),
        ("process-list", [marker]) => files::process_list(marker),
        ("environment", [name]) => files::environment(name),
        ("inherited-file", []) => files::inherited_file(),
        ("init-files", []) => files::init_files(),
        ("plant-setuid", [way]) => files::plant_setuid(way),
        ("run-setuid", [path]) => files::run_setuid(path),
        ("am-root", []) => files::am_root(),
        ("capabilities", []) => files::capabilities(),
        ("device", []) => files::device(),
        ("make-device", []) => kernel::make_device(),
        ("signal", [pid]) => kernel::signal(pid.parse()?),
        ("ptrace-process", [pid]) => kernel::ptrace_process(pid.parse()?),
        ("ptrace-child", []) => kernel::ptrace_child(),
        ("read-memory", [pid]) => kernel::read_memory(pid.parse()?),
        ("mount", [way, path]) => kernel::mount(way, path),
        ("user-namespace", [way]) => kernel::user_namespace(way),
        ("file-handle", []) => kernel::file_handle(),
        ("keyring", [way]) => kernel::keyring(way),
        ("surface", [call]) => kernel::surface(call),
        ("memory-file", []) => kernel::memory_file(),
        ("second-abi", []) => kernel::second_abi(),
        ("shared-segment", [key]) => kernel::shared_segment(key.parse()?),
        ("terminal", []) => kernel::terminal(),
        ("tcp", [port]) => network::tcp(port.parse()?),
        ("udp", [port]) => network::udp(port.parse()?),
        ("through-proxy", [method, target]) => {
            let host = target.rsplit_once(':').map_or(*target, |(host, _)| host);
            network::through_proxy(method, target, host)
        }
        ("through-proxy-to-neighbour", [target, named]) => network::through_proxy("CONNECT", target, named),
        ("proxy-port", []) => network::proxy_port(),
        ("unix", [path]) => network::unix(path),
        ("abstract", [name]) => network::abstract_name(name),
        ("family", [way]) => network::family(way),
        _ => blocked(format!("no attack {name} with these arguments")),
    }
}
